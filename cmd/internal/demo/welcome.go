package demo

import (
	"fmt"
	"io"
	"strings"

	"fairlead/cmd/internal/demo/world"
)

// signedIn is the part of a command line that says where and as whom. The
// known port need not be said.
func signedIn(n *world.Node, p world.Person) string {
	flags := "--token-file " + p.TokenFile
	if n.API != fmt.Sprintf("http://127.0.0.1:%d", world.FixedAPI) {
		flags = "--server " + n.API + " " + flags
	}
	return flags
}

// welcome prints where everything listens and five things to try, each a line
// to paste.
func welcome(out io.Writer, command string, w *world.World) {
	line := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	node := w.Nodes[0]
	us, _ := world.PlaceOf(world.USEast)
	as := func(p world.Person) string { return signedIn(node, p) }

	line("")
	line("Console    %s/", node.API)
	line("           sign in as ada    %s", w.Ada.Token)
	line("           or as grace       %s", w.Grace.Token)
	line("API        %s/api/v1/", node.API)
	line("DNS        %v port %d, zone %s", node.DNS.Addr(), node.DNS.Port(), world.Zone)
	for i, p := range world.Places() {
		head := "           "
		if i == 0 {
			head = "Shops      "
		}
		line("%s%-11s %s/", head, p.ID, w.ShopURL(p.ID))
	}
	line("Files      %s", w.Dir)
	line("")
	line("Five things to try, each a line to paste into another terminal:")
	try := func(n int, what string, lines ...string) {
		line("")
		line("  %d  %s", n, what)
		for _, l := range lines {
			line("     %s", l)
		}
	}
	try(1, "ask where people in America are sent",
		fmt.Sprintf("dig @%v -p %d %s +subnet=%v +short", node.DNS.Addr(), node.DNS.Port(), world.ReadsName, us.Client))
	try(2, "kill the shop in us-east, and ask again after two seconds",
		fmt.Sprintf("kill -9 $(cat %s)", w.PIDFile(world.USEast)))
	try(3, "see why the answer is what it is, here or in the console",
		fmt.Sprintf("%s explain %s --client %v %s", command, world.ReadsName, us.Client, as(w.Ada)))
	try(4, "move the writer of the orders to eu-central while people shop; this window will say how to approve it",
		fmt.Sprintf(`%s runbook run switchover --database %s --to %s --reason "maintenance" --yes %s`, command, world.Database, world.EUCentral, as(w.Ada)))
	try(5, "open the shop in us-east again, and let the region back",
		fmt.Sprintf("%s demo start %s", command, world.USEast),
		fmt.Sprintf(`%s restore %s --reason "the shop is open again" --yes %s`, command, world.USEast, as(w.Ada)))
	line("")
	line("Here you may type: %s. Ctrl-C ends it all and leaves nothing behind.", strings.Join(orders(), ", "))
	line("")
}
