package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/api/client"
	"fairlead/api/openapi"
	"fairlead/cmd/internal/recovery"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func bundleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bundle",
		Short: "Break glass: order nodes by signature, without the store",
		Long: `Order nodes by a signed file while nothing can be decided. Each node that is handed the file carries it out at once and asks nobody;
hand it to every node. It stands above overrides and health, below the writer interlock: it drains and forces regions and moves no
writer. It rules until a later bundle replaces it or, once the store is back, somebody ends it.`,
	}
	c.AddCommand(bundleStatusCommand(), bundleMakeCommand(), bundleSignCommand(), bundleShowCommand(), bundleApplyCommand(), bundleEndCommand())
	return c
}

func printGlass(p *page, g openapi.BreakGlass) {
	if g.Rules {
		p.line("%s", p.paint(red, fmt.Sprintf("✖ Bundle %s rules here: %s. Signed by %s: %s", g.Id, strings.Join(g.Orders, ", "), strings.Join(g.SignedBy, " and "), g.Reason)))
	} else {
		p.line("Nothing rules past the store on this node.")
	}
	if g.Needed == 0 {
		p.line("Nobody has a recovery key, so no bundle would be taken.")
		return
	}
	p.line("A bundle for it says --cluster %s --incarnation %d --sequence %d or above, signed by %d of %s.", dash(g.Cluster), g.Incarnation, g.Sequence+1, g.Needed, strings.Join(g.MaySign, ", "))
}

func bundleStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Say what rules past the store on a node, and what a bundle for it must say",
		Example: `  fairlead bundle status`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			g, err := client.Get[openapi.BreakGlass](c.GetBreakGlass(cmd.Context()))
			if err != nil {
				return err
			}
			return show(cmd, g, printGlass)
		},
	}
}

func bundleMakeCommand() *cobra.Command {
	var author, out, cluster string
	var incarnation, sequence uint64
	var orders []string
	c := &cobra.Command{
		Use:   "make --order TEXT --author NAME --reason TEXT --out FILE",
		Short: "Write a bundle for people to sign",
		Long: `Write a bundle for people to sign. Cluster, incarnation and sequence are asked of the node at --server, unless all three are given:
then nobody is asked. A bundle replaces the one before it whole; one without orders ends it.`,
		Example: `  fairlead bundle make --order "drain us-east" --author alice --reason "us-east serves yesterday's prices" --out bundle.json
  fairlead bundle make --order "force-up eu-central/www" --cluster k3f… --incarnation 1 --sequence 7 --author alice --reason "the checks lie" --out bundle.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var parsed []regions.GlassOrder
			for _, text := range orders {
				o, err := regions.ParseGlassOrder(text)
				if err != nil {
					return err
				}
				parsed = append(parsed, o)
			}
			if !cmd.Flags().Changed("cluster") || incarnation == 0 || sequence == 0 {
				c, err := connect(cmd)
				if err != nil {
					return err
				}
				g, err := client.Get[openapi.BreakGlass](c.GetBreakGlass(cmd.Context()))
				if err != nil {
					return fmt.Errorf("ask what a bundle must say (or give --cluster, --incarnation and --sequence): %w", err)
				}
				if !cmd.Flags().Changed("cluster") {
					cluster = g.Cluster
				}
				if incarnation == 0 {
					incarnation = uint64(g.Incarnation)
				}
				if sequence == 0 {
					sequence = uint64(g.Sequence) + 1
				}
			}
			b, err := recovery.NewBundle(cluster, incarnation, sequence, parsed, author, reasonOf(cmd), time.Now())
			if err != nil {
				return err
			}
			if err := writeNew(out, b.Format()); err != nil {
				return err
			}
			printBundle(newPage(cmd.OutOrStdout()), b)
			return nil
		},
	}
	c.Flags().StringArrayVar(&orders, "order", nil, `"drain REGION", "force-down REGION" or "force-up REGION"; REGION/SERVICE for one service; repeat it for more`)
	c.Flags().StringVar(&author, "author", "", "who orders this")
	c.Flags().StringVar(&out, "out", "", "the new file for the bundle")
	c.Flags().StringVar(&cluster, "cluster", "", "the cluster's name, as bundle status says")
	c.Flags().Uint64Var(&incarnation, "incarnation", 0, "the cluster's incarnation, as bundle status says")
	c.Flags().Uint64Var(&sequence, "sequence", 0, "above that of each bundle before")
	_ = c.MarkFlagRequired("author")
	_ = c.MarkFlagRequired("out")
	addReason(c)
	return c
}

func printBundle(p *page, b recovery.Bundle) {
	p.line("%s", p.paint(bold, fmt.Sprintf("Break-glass bundle %s, sequence %d, for cluster %s in incarnation %d", b.ID, b.Sequence, dash(b.Cluster), b.Incarnation)))
	p.line("by %s at %s: %s", b.Author, clock(b.Made), b.Reason)
	p.line("orders: %s", b.Sentence())
	p.line("signed by: %s", dash(people(b.Signatures)))
}

func readBundle(path string) (recovery.Bundle, []byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return recovery.Bundle{}, nil, fault.NotFoundf("break-glass bundle "+path, "cannot be read").Because(err).Do("name the file that fairlead bundle make wrote")
	}
	b, err := recovery.ParseBundle(text)
	return b, text, err
}

func bundleShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE",
		Short:   "Say what a bundle orders, and who has signed it",
		Example: `  fairlead bundle show bundle.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, _, err := readBundle(args[0])
			if err != nil {
				return err
			}
			return show(cmd, b, printBundle)
		},
	}
}

func bundleSignCommand() *cobra.Command {
	var key string
	var secret passphrase
	c := &cobra.Command{
		Use:     "sign FILE --key-file FILE",
		Short:   "Sign a bundle, after reading what it orders",
		Example: `  fairlead bundle sign bundle.json --key-file alice.key`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := mustAsk(cmd); err != nil {
				return err
			}
			b, _, err := readBundle(args[0])
			if err != nil {
				return err
			}
			printBundle(newPage(cmd.OutOrStdout()), b)
			k, err := recovery.LoadKey(key, func() (string, error) { return secret.read(cmd) })
			if err != nil {
				return err
			}
			if err := confirm(cmd, fmt.Sprintf("Sign this as %s.", k.Person), b.ID); err != nil {
				return err
			}
			if b, err = b.Sign(k); err != nil {
				return err
			}
			return signed(cmd, args[0], b.Format(), people(b.Signatures))
		},
	}
	addKey(c, &key, &secret)
	return c
}

func bundleApplyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "apply FILE",
		Short: "Hand a signed bundle to one node; repeat it for each",
		Long: `Hand a signed bundle to the node at --server, which carries it out at once. Repeat it for each node: they do not pass it on. Where
a node's API is out of reach, put the file into bundles/ in its data directory; what became of it stands beside it.`,
		Example: `  fairlead bundle apply bundle.json --server http://10.1.0.1:8470`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := mustAsk(cmd); err != nil {
				return err
			}
			b, text, err := readBundle(args[0])
			if err != nil {
				return err
			}
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			if !wantsJSON(cmd) {
				printBundle(newPage(cmd.OutOrStdout()), b)
			}
			if err := confirm(cmd, fmt.Sprintf("Let the node at %s do this: %s.", serverOf(cmd), b.Sentence()), b.ID); err != nil {
				return err
			}
			g, err := client.Get[openapi.BreakGlass](c.ApplyBreakGlass(cmd.Context(), openapi.BreakGlassRequest{Bundle: string(text)}))
			if err != nil {
				return err
			}
			return show(cmd, g, printGlass)
		},
	}
	addYes(c)
	return c
}

func bundleEndCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "end --reason TEXT",
		Short:   "End in the store what a bundle has ordered, on every node",
		Example: `  fairlead bundle end --reason "the store is back, and us-east is drained properly"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			g, err := client.Get[openapi.BreakGlass](c.EndBreakGlass(cmd.Context(), &openapi.EndBreakGlassParams{Reason: reasonOf(cmd)}))
			if err != nil {
				return err
			}
			return show(cmd, g, printGlass)
		},
	}
	addReason(c)
	return c
}
