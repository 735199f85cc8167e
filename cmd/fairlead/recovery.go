package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/disk"
	"fairlead/cmd/internal/recovery"
	"fairlead/cmd/internal/replica"
	"fairlead/regions"
	"fairlead/regions/fault"
)

func recoveryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "recovery",
		Short: "Let one survivor go on when the quorum is lost for good, by signatures",
		Long: `Let one surviving control node begin a new incarnation of its cluster when the majority is lost for good. People agree to it by
signing a file: as many as recovery.threshold in the configuration says, with keys that every node remembers. Nodes and agents that have
seen the new incarnation refuse those who were declared lost, should they come back.`,
	}
	c.AddCommand(keygenCommand(), proposeCommand(), signOrderCommand(), showOrderCommand(), applyOrderCommand())
	return c
}

func keygenCommand() *cobra.Command {
	var out string
	var secret passphrase
	c := &cobra.Command{
		Use:   "keygen PERSON --out FILE",
		Short: "Make a person's recovery key",
		Long: `Make a person's recovery key, in a new file that only you can read. What is printed goes into the configuration under
recovery.keys; the file goes where you find it when no network is left, and where nobody else does.`,
		Example: `  fairlead recovery keygen alice --out alice.key`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := recovery.NewKey(args[0])
			if err != nil {
				return err
			}
			words, err := secret.make(cmd)
			if err != nil {
				return err
			}
			if err := k.Write(out, words); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %q\n", k.Person, k.Public())
			say(cmd, "The key of %s is in %s. Put the line above under recovery.keys of the configuration.", k.Person, out)
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "the new file for the key (mode 0600)")
	c.Flags().BoolVar(&secret.ask, "passphrase", false, "ask for a passphrase to seal the key with")
	c.Flags().StringVar(&secret.file, "passphrase-file", "", "read the passphrase from this file instead")
	_ = c.MarkFlagRequired("out")
	return c
}

// passphrase is where the words come from that seal a key.
type passphrase struct {
	ask  bool
	file string
}

func (p passphrase) make(cmd *cobra.Command) (string, error) {
	if p.file == "" && !p.ask {
		return "", nil
	}
	words, err := p.read(cmd)
	if err == nil && len(words) < 12 {
		err = fault.Invalidf("passphrase", "is too short to keep anybody out").Do("use 12 characters or more")
	}
	return words, err
}

func (p passphrase) read(cmd *cobra.Command) (string, error) {
	if p.file != "" {
		text, err := os.ReadFile(p.file)
		if err != nil {
			return "", fault.Invalidf("passphrase file "+p.file, "cannot be read").Because(err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", usagef("the key has a passphrase, and standard input is no terminal: name a file with --passphrase-file")
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Passphrase: ")
	words, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	return string(words), err
}

// here is what lies on a node's disk, read without the node.
type here struct {
	data    string
	node    string
	peers   []recovery.Member // control nodes, this one too
	decided *regions.Decided
}

func readHere(path, data string) (here, error) {
	c, err := config.Load(path)
	if err != nil {
		return here{}, err
	}
	h := here{data: c.Node.DataDir, node: string(c.Node.Name)}
	if data != "" {
		h.data = data
	}
	if !c.Node.Has(config.Control) || len(c.Node.Etcd) > 0 {
		return h, fault.Invalidf("node "+h.node, "holds no part of the store, so nothing can begin from it").Do("run this on a surviving control node")
	}
	h.peers = append(h.peers, recovery.Member{Node: h.node, Region: c.Node.Region})
	for _, p := range c.Node.Peers {
		if p.Has(config.Control) {
			h.peers = append(h.peers, recovery.Member{Node: string(p.Name), Region: p.Region})
		}
	}
	copies := filepath.Join(h.data, "decided")
	if _, err := os.Stat(copies); err != nil {
		return h, fault.NotFoundf("data directory "+h.data, "holds no copy of what was decided").Because(err).Do("give the node's own --config, and --data-dir if it is started with one")
	}
	r, err := replica.Open(copies)
	if err != nil {
		return h, err
	}
	h.decided, _, err = r.Load()
	return h, err
}

func addHere(c *cobra.Command, path, data *string) {
	c.Flags().StringVar(path, "config", "", "the configuration of the node on this machine")
	c.Flags().StringVar(data, "data-dir", "", "where that node keeps its data; overrides node.data_dir")
	_ = c.MarkFlagRequired("config")
}

func proposeCommand() *cobra.Command {
	var path, data, author, from, out string
	var lost []string
	c := &cobra.Command{
		Use:   "propose --config PATH --lost NODE,… --author NAME --reason TEXT --out FILE",
		Short: "Write the order that people sign, on a surviving control node",
		Long: `Write the order that people sign, on the surviving control node that is to go on. It reads this machine's files alone; the
node may run or not. The order says in words what it does to nodes and databases.

With --from store the incarnation begins from what this node's store holds: nothing that it knew is lost. Where its store is
damaged, --from replica begins from the copy of the decided state; audit trail, runs and tokens are lost then.`,
		Example: `  fairlead recovery propose --config /etc/fairlead/config --lost node-1,node-2 --author alice --reason "us-east burnt down" --out order.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := readHere(path, data)
			if err != nil {
				return err
			}
			o, err := recovery.Propose(h.decided, h.node, h.peers, lost, from, author, reasonOf(cmd), time.Now())
			if err != nil {
				return err
			}
			if err := writeNew(out, o.Format()); err != nil {
				return err
			}
			printOrder(newPage(cmd.OutOrStdout()), o)
			say(cmd, "Written to %s. %d people sign it: fairlead recovery sign %s --key-file FILE", out, h.decided.Fleet.Recovery.Threshold, out)
			return nil
		},
	}
	addHere(c, &path, &data)
	c.Flags().StringSliceVar(&lost, "lost", nil, "control nodes that are declared lost: they are never to come back as they are")
	c.Flags().StringVar(&from, "from", recovery.FromStore, "what to begin from: store, or replica where the store is damaged")
	c.Flags().StringVar(&author, "author", "", "who proposes it")
	c.Flags().StringVar(&out, "out", "", "the new file for the order")
	for _, f := range []string{"lost", "author", "out"} {
		_ = c.MarkFlagRequired(f)
	}
	addReason(c)
	return c
}

func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fault.Invalidf("file "+path, "cannot be made").Because(err).Do("choose another name, in a directory where you may write")
	}
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fault.Invalidf("file "+path, "cannot be written").Because(err)
	}
	return nil
}

func printOrder(p *page, o recovery.Order) {
	p.line("%s", p.paint(bold, fmt.Sprintf("Order to begin incarnation %d of cluster %s on node %s alone, after incarnation %d", o.Next, dash(o.Cluster), o.Node, o.Incarnation)))
	p.line("by %s at %s: %s", o.Author, clock(o.Made), o.Reason)
	p.line("declared lost: %s", strings.Join(o.Lost, ", "))
	for _, c := range o.Consequences {
		p.line("- %s", c)
	}
	p.line("signed by: %s", dash(people(o.Signatures)))
}

func people(all []recovery.Signature) string {
	var names []string
	for _, s := range all {
		names = append(names, s.Person)
	}
	return strings.Join(names, ", ")
}

func readOrder(path string) (recovery.Order, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return recovery.Order{}, fault.NotFoundf("recovery order "+path, "cannot be read").Because(err).Do("name the file that fairlead recovery propose wrote")
	}
	return recovery.ParseOrder(text)
}

func showOrderCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show ORDER",
		Short:   "Say what an order does, and who has signed it",
		Example: `  fairlead recovery show order.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := readOrder(args[0])
			if err != nil {
				return err
			}
			return show(cmd, o, printOrder)
		},
	}
}

func signOrderCommand() *cobra.Command {
	var key string
	var secret passphrase
	c := &cobra.Command{
		Use:     "sign ORDER --key-file FILE",
		Short:   "Sign an order, after reading what it does",
		Example: `  fairlead recovery sign order.json --key-file alice.key`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := mustAsk(cmd); err != nil {
				return err
			}
			o, err := readOrder(args[0])
			if err != nil {
				return err
			}
			printOrder(newPage(cmd.OutOrStdout()), o)
			k, err := recovery.LoadKey(key, func() (string, error) { return secret.read(cmd) })
			if err != nil {
				return err
			}
			if err := confirm(cmd, fmt.Sprintf("Sign this as %s.", k.Person), o.Node); err != nil {
				return err
			}
			if o, err = o.Sign(k); err != nil {
				return err
			}
			return signed(cmd, args[0], o.Format(), people(o.Signatures))
		},
	}
	addKey(c, &key, &secret)
	return c
}

func addKey(c *cobra.Command, key *string, secret *passphrase) {
	c.Flags().StringVar(key, "key-file", "", "your recovery key")
	c.Flags().StringVar(&secret.file, "passphrase-file", "", "read the key's passphrase from this file")
	_ = c.MarkFlagRequired("key-file")
	addYes(c)
}

// signed replaces a file by the same with one more signature.
func signed(cmd *cobra.Command, path string, text []byte, by string) error {
	if err := disk.Replace(path, text, 0o644); err != nil {
		return fault.Invalidf("file "+path, "cannot be written, so your signature is not in it").Because(err).Do("copy it to where you may write, and sign there")
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s is signed by %s.\n", path, by)
	return nil
}

func applyOrderCommand() *cobra.Command {
	var path, data string
	c := &cobra.Command{
		Use:   "apply ORDER --config PATH",
		Short: "Let the node on this machine carry an order out when it starts",
		Long: `Verify an order against the keys that the node on this machine remembers, and put it where the node finds it. The node carries it
out when it starts: restart it. Until then nothing is changed.`,
		Example: `  fairlead recovery apply order.json --config /etc/fairlead/config && systemctl restart fairlead`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := mustAsk(cmd); err != nil {
				return err
			}
			o, err := readOrder(args[0])
			if err != nil {
				return err
			}
			h, err := readHere(path, data)
			if err != nil {
				return err
			}
			who, err := o.Verify(h.decided, h.node)
			if err != nil {
				return err
			}
			printOrder(newPage(cmd.OutOrStdout()), o)
			if err := confirm(cmd, fmt.Sprintf("Let node %s begin incarnation %d.", h.node, o.Next), h.node); err != nil {
				return err
			}
			if err := recovery.Place(h.data, o); err != nil {
				return err
			}
			slices.Sort(who)
			fmt.Fprintf(cmd.OutOrStdout(), "The signatures of %s are good. Node %s begins incarnation %d when it is started: restart it now.\n", strings.Join(who, " and "), h.node, o.Next)
			return nil
		},
	}
	addHere(c, &path, &data)
	addYes(c)
	return c
}
