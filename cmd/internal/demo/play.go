package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/cmd/internal/demo/crowd"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/world"
)

// Of the world that people play in. It is to run beside a browser on a
// laptop, so the crowd is smaller than the story's.
const (
	playShoppers = 40
	playOrders   = 60 // a second, all of them together
	playVisits   = 40
	playRecent   = 5000 // entries kept in memory; the file keeps all
)

// play builds a world, tells what is there to try, and keeps it going until
// ctx ends.
func play(ctx context.Context, o Options) (err error) {
	fmt.Fprintln(o.Out, "Building a small world on loopback:")
	w, err := world.Build(ctx, world.Options{Program: o.Program, Fixed: !o.anyPorts, Keep: o.Keep, Nodes: 1,
		Progress: func(format string, args ...any) { fmt.Fprintf(o.Out, "  "+format+"\n", args...) }})
	if left, ok := errors.AsType[*world.LeftBehind](err); ok && ctx.Err() != nil {
		return left
	}
	if ctx.Err() != nil && err != nil {
		return nil // somebody thought better of it, and Build has cleared up
	}
	if err != nil {
		return err
	}
	defer func() {
		fmt.Fprintln(o.Out, "\nEnding every process and clearing up.")
		err = errors.Join(err, w.Close())
		if o.Keep {
			fmt.Fprintf(o.Out, "What was written is kept in %s\n", w.Dir)
		}
	}()
	log, err := os.Create(filepath.Join(w.Dir, "orders.jsonl"))
	if err != nil {
		return fmt.Errorf("open the log of orders: %w", err)
	}
	defer log.Close()
	book := &ledger.Book{Recent: playRecent, File: bufio.NewWriter(log)}
	c, err := playCrowd(w, book)
	if err != nil {
		return err
	}
	control, err := listenForOrders(w)
	if err != nil {
		return err
	}
	welcome(o.Out, o.Command, w)

	n := &narrator{out: o.Out, world: w, book: book, command: o.Command}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Run(ctx) })
	g.Go(func() error { return n.run(ctx) })
	g.Go(func() error { return control.run(ctx, n.obey) })
	g.Go(func() error { return flush(ctx, book) })
	if o.In != nil {
		go n.read(ctx, o.In) // a read from a terminal cannot be interrupted; it ends with the program
	}
	return g.Wait()
}

func playCrowd(w *world.World, book *ledger.Book) (*crowd.Crowd, error) {
	var origins []crowd.Origin
	for _, p := range world.Places() {
		origins = append(origins, crowd.Origin{Region: string(p.ID), Client: p.Client})
	}
	return crowd.New(crowd.Config{Servers: w.DNS(), ReadsName: world.ReadsName, WritesName: world.WritesName, Port: w.ShopPort,
		Origins: origins, Shoppers: playShoppers, Orders: playOrders, Visits: playVisits, Book: book})
}

// flush writes the log of orders once a second, and once more at the end.
func flush(ctx context.Context, book *ledger.Book) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := book.Flush(); err != nil {
				return err
			}
		case <-ctx.Done():
			return book.Flush()
		}
	}
}
