// Command fairlead watches regions, steers users to healthy ones, and runs the
// procedures that move databases between them.
//
// It parses and hands over: to package daemon where it is a node, to package
// client where it talks to one. There is one file for each sub-command.
//
// The surprising choice: a command that takes something away first shows what
// it would do, as the node itself says it, and then asks. Where nobody can be
// asked, because standard input is no terminal, it needs --yes.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// run is main for tests, which need its exit code.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand()
	root.SetArgs(os.Args[1:])
	return report(root, root.ExecuteContext(ctx))
}
