package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/api/auth"
	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/regions/fault"
)

func tokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke tokens",
	}
	c.AddCommand(tokenCreateCommand(), tokenListCommand(), tokenRevokeCommand())
	return c
}

func tokenCreateCommand() *cobra.Command {
	var roles, only []string
	var into, out string
	c := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Create a token for a person or a program",
		Long: `Create a token for a person or a program. Its text is printed once, or written to a file that only you can read,
and is kept nowhere else. Give each person their own: whoever starts a run may not approve it.

With --into the token goes into a tokens file on this machine, without asking a node: that is how the first one is made for a
node that other machines can reach.`,
		Example: `  fairlead token create alice --role admin --out ~/.fairlead-token
  fairlead token create bob --role operator,approver --only database/orders
  fairlead token create alice --role admin --into /etc/fairlead/tokens.yaml --out alice.token`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			made, err := createToken(cmd, args[0], roles, only, into)
			if err != nil {
				return err
			}
			if out != "" {
				if err := writeSecret(out, made.Token); err != nil {
					return err
				}
				made.Token = "written to " + out
			}
			return show(cmd, made, func(p *page, t openapi.TokenCreated) {
				p.line("%s", t.Token)
				say(cmd, "Token %s for %s is made. Its text is shown this once; use it with --token-file.", t.Id, t.Name)
			})
		},
	}
	c.Flags().StringSliceVar(&roles, "role", nil, "viewer, operator, approver or admin; several with commas")
	c.Flags().StringSliceVar(&only, "only", nil, "limit its acts to region/ID, service/ID or database/ID")
	c.Flags().StringVar(&into, "into", "", "add it to this tokens file instead of asking a node")
	c.Flags().StringVar(&out, "out", "", "write its text to this new file (mode 0600) instead of printing it")
	_ = c.MarkFlagRequired("role")
	return c
}

func createToken(cmd *cobra.Command, name string, roles, only []string, into string) (openapi.TokenCreated, error) {
	if into != "" {
		return createInto(into, name, roles, only)
	}
	c, err := connect(cmd)
	if err != nil {
		return openapi.TokenCreated{}, err
	}
	req := openapi.TokenRequest{Name: name, Only: only}
	for _, r := range roles {
		req.Roles = append(req.Roles, openapi.Role(r))
	}
	return client.Get[openapi.TokenCreated](c.CreateToken(cmd.Context(), req))
}

// createInto adds a token to a tokens file, which holds hashes alone.
func createInto(path, name string, roles, only []string) (openapi.TokenCreated, error) {
	var made openapi.TokenCreated
	var tokens []auth.Token
	text, err := os.ReadFile(path)
	if err == nil {
		tokens, err = auth.ParseFile(path, text)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return made, err
	}
	var parsed []auth.Role
	for _, r := range roles {
		role, err := auth.ParseRole(r)
		if err != nil {
			return made, err
		}
		parsed = append(parsed, role)
		made.Roles = append(made.Roles, openapi.Role(r))
	}
	var limits []auth.Scope
	for _, o := range only {
		limit, err := auth.ParseScope(o)
		if err != nil {
			return made, err
		}
		limits = append(limits, limit)
	}
	token, secret, err := auth.Mint(name, parsed, limits, "file", time.Now())
	if err != nil {
		return made, err
	}
	text, err = auth.FormatFile(append(tokens, token))
	if err != nil {
		return made, err
	}
	made.Id, made.Name, made.Token = token.ID, token.Name, secret
	return made, replaceFile(path, text)
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tokens-*") // mode 0600
	if err != nil {
		return fault.Invalidf("tokens file "+path, "cannot be written").Because(err)
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fault.Invalidf("tokens file "+path, "cannot be written").Because(err)
	}
	return nil
}

func writeSecret(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault.Invalidf("file "+path, "cannot be made; the token is made all the same").Because(err).Do("revoke it and make another")
	}
	_, err = f.WriteString(text + "\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fault.Invalidf("file "+path, "cannot be written; the token is made all the same").Because(err).Do("revoke it and make another")
	}
	return nil
}

func tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List tokens, without their secrets",
		Example: `  fairlead token list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			list, err := client.Get[openapi.TokenList](c.ListTokens(cmd.Context()))
			if err != nil {
				return err
			}
			return show(cmd, list, func(p *page, l openapi.TokenList) {
				if len(l.Tokens) == 0 {
					p.line("There are no tokens: everybody on this machine is the principal \"local\".")
				}
				t := newTable("TOKEN", "NAME", "ROLES", "ONLY", "KEPT IN", "MADE", "BY")
				for _, k := range l.Tokens {
					words := make([]string, len(k.Roles))
					for i, r := range k.Roles {
						words[i] = string(r)
					}
					t.add(k.Id, k.Name, strings.Join(words, ","), dash(strings.Join(k.Only, ",")), string(k.Source), clock(k.CreatedAt), dash(k.CreatedBy))
				}
				p.table(t)
			})
		},
	}
}

func tokenRevokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a token; its sessions end with it",
		Example: `  fairlead token revoke 5f2c9a01be77`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := mustAsk(cmd); err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			if err := confirm(cmd, fmt.Sprintf("Revoke token %s: whoever uses it is locked out.", args[0]), args[0]); err != nil {
				return err
			}
			if err := client.Done(c.RevokeToken(cmd.Context(), args[0])); err != nil {
				return err
			}
			if !wantsJSON(cmd) {
				newPage(cmd.OutOrStdout()).line("Token %s is revoked.", args[0])
			}
			return nil
		},
	}
	addYes(c)
	return c
}
