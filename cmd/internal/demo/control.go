package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fairlead/cmd/internal/demo/world"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// socketName is where a running demo listens for orders, in its directory.
const socketName = "demo.sock"

// orders lists what can be asked of a running demo.
func orders() []string {
	return []string{"kill REGION", "start REGION", "kill node-1", "start node-1", "kill orders-REGION (its database server)"}
}

// obey carries out one order and says what was done.
func (n *narrator) obey(ctx context.Context, line string) (string, error) {
	unknown := fault.Invalidf("demo", "does not know %q", line).Do("say one of: %s; regions are us-east, eu-central and ap-south", strings.Join(orders(), ", "))
	verb, what, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		return "", unknown
	}
	what = strings.TrimSpace(what)
	if region, isDatabase := strings.CutPrefix(what, world.Database+"-"); isDatabase && verb == "kill" {
		s := n.world.Pair.Server(regions.ID(region))
		if s == nil {
			return "", unknown
		}
		return "every process of the database server in " + region + " was killed; nothing starts it again by itself", s.Kill()
	}
	_, isRegion := world.PlaceOf(regions.ID(what))
	switch {
	case verb == "kill" && isRegion:
		_, err := n.world.KillShop(regions.ID(what))
		return "the shop in " + what + " was killed", err
	case verb == "start" && isRegion:
		return "the shop in " + what + " is open; a region that failed whole stays out until somebody restores it", n.world.StartShop(ctx, regions.ID(what))
	}
	for _, node := range n.world.Nodes {
		switch {
		case node.Name != what:
		case verb == "kill" && node.Alive():
			_, err := n.world.KillNode(node)
			return what + " was killed", err
		case verb == "start" && !node.Alive():
			if err := n.world.StartNode(node); err != nil {
				return "", err
			}
			// What is pasted next speaks to the node.
			return what + " was started and answers", n.world.AwaitReady(ctx, node)
		default:
			return "", fault.Conflictf(what, "is so already")
		}
	}
	return "", unknown
}

// control takes orders at a socket in the demo's directory, one line each.
type control struct{ l net.Listener }

func listenForOrders(w *world.World) (control, error) {
	l, err := net.Listen("unix", filepath.Join(w.Dir, socketName))
	if err != nil {
		return control{}, fmt.Errorf("listen for orders: %w", err)
	}
	return control{l}, nil
}

func (c control) run(ctx context.Context, obey func(context.Context, string) (string, error)) error {
	stop := context.AfterFunc(ctx, func() { c.l.Close() })
	defer stop()
	for {
		conn, err := c.l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("take an order: %w", err)
		}
		serve(ctx, conn, obey)
	}
}

func serve(ctx context.Context, conn net.Conn, obey func(context.Context, string) (string, error)) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	if err != nil {
		return // whoever dialled has gone
	}
	reply, err := obey(ctx, strings.TrimSpace(line))
	if err != nil {
		reply = "! " + err.Error()
	}
	fmt.Fprintln(conn, reply)
}

// Tell gives an order to the demo that runs on this machine, and returns its
// reply, whole lines. It is what the hidden sub-commands `fairlead demo kill` and `fairlead
// demo start` call.
func Tell(ctx context.Context, order string) (string, error) {
	for _, dir := range []string{os.TempDir(), "/tmp"} {
		paths, err := filepath.Glob(filepath.Join(dir, "fairlead-demo-*", socketName))
		if err != nil {
			return "", err
		}
		for _, path := range paths {
			if reply, err := tell(ctx, path, order); err == nil || !errors.Is(err, errNobody) {
				return reply, err
			}
		}
	}
	return "", fault.NotFoundf("demo", "none runs here, or it belongs to another user").Do("start one with: fairlead demo")
}

var errNobody = errors.New("nobody listens")

func tell(ctx context.Context, path, order string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNobody, err) // left behind by one that was killed
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := fmt.Fprintln(conn, order); err != nil {
		return "", fmt.Errorf("tell the demo: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if err != nil {
		return "", fmt.Errorf("hear from the demo: %w", err)
	}
	reply := strings.TrimSpace(string(b))
	if problem, failed := strings.CutPrefix(reply, "! "); failed {
		return "", errors.New(problem)
	}
	return reply + "\n", nil
}
