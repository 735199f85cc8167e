package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/regions/fault"
)

const defaultServer = "http://127.0.0.1:8470"

// addGlobalFlags adds what every command takes. A secret is never the value of
// a flag: other users of the machine can read command lines.
func addGlobalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringP("output", "o", "text", "text or json")
	f.String("server", env("FAIRLEAD_SERVER", defaultServer), "URL of a node's API (FAIRLEAD_SERVER)")
	f.String("token-file", os.Getenv("FAIRLEAD_TOKEN_FILE"), "file with the token to sign in with (FAIRLEAD_TOKEN_FILE)")
	f.String("ca-file", os.Getenv("FAIRLEAD_CA_FILE"), "certificates to trust besides the system's (FAIRLEAD_CA_FILE)")
	f.Duration("timeout", 30*time.Second, "the longest that one question to the node may take")
	f.String("log-level", env("FAIRLEAD_LOG_LEVEL", "info"), "of commands that run on: debug, info, warn or error (FAIRLEAD_LOG_LEVEL)")
	f.String("log-format", "text", "of commands that run on: text or json")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, flag := range []struct {
			name  string
			words []string
		}{
			{"output", []string{"text", "json"}}, {"log-format", []string{"text", "json"}}, {"log-level", []string{"debug", "info", "warn", "error"}},
		} {
			value, err := cmd.Flags().GetString(flag.name)
			if err == nil {
				err = oneOf(flag.name, value, flag.words...)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func env(name, absent string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return absent
}

// connect makes a client of what the flags say. It does not connect yet.
func connect(cmd *cobra.Command) (*client.Client, error) {
	f := cmd.Flags()
	s := client.Settings{}
	s.Server, _ = f.GetString("server")
	s.CAFile, _ = f.GetString("ca-file")
	s.Timeout, _ = f.GetDuration("timeout")
	path, _ := f.GetString("token-file")
	if path != "" {
		token, err := readToken(path)
		if err != nil {
			return nil, err
		}
		s.Token = token
	}
	return client.New(s)
}

// readToken reads a token that nobody else on this machine can read.
func readToken(path string) (string, error) {
	subject := "token file " + path
	info, err := os.Stat(path)
	if err != nil {
		return "", fault.Invalidf(subject, "cannot be read").Because(err).Do("check --token-file, or FAIRLEAD_TOKEN_FILE")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fault.Deniedf(subject, "others on this machine can read it (mode %04o)", mode).Do("chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Invalidf(subject, "cannot be read").Because(err)
	}
	token := strings.TrimSpace(string(text))
	if strings.ContainsAny(token, " \t\n") || strings.Count(token, ".") != 1 {
		return "", fault.Invalidf(subject, "does not hold one token").Do("it holds ID.SECRET and nothing else")
	}
	return token, nil
}

// wantsJSON reports whether the result goes to a program.
func wantsJSON(cmd *cobra.Command) bool {
	o, _ := cmd.Flags().GetString("output")
	return o == "json"
}

func serverOf(cmd *cobra.Command) string {
	s, _ := cmd.Flags().GetString("server")
	return s
}

// say writes a line that is no result to standard error, where it does not
// disturb who reads results.
func say(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
}
