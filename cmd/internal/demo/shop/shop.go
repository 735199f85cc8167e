// Package shop is the application that the demo's regions run: a page that
// says which region serves it, and a till that takes orders.
//
// Each region's shop is a process of its own and knows one database server:
// the one beside it. So it shows what a real application shows when its
// region is not the writer's: reading works, an order is refused, and nothing
// is acknowledged before PostgreSQL has said COMMIT.
//
// The surprising choice: /healthz says only that the process lives. A shop
// whose database is a standby is healthy, and moving its name away would help
// nobody: writes follow the epoch, not the health of the shop.
package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"fairlead/regions/fault"
)

// Config is what one region's shop is told.
type Config struct {
	Region string `json:"region"` // "us-east"
	Title  string `json:"title"`  // "US East", for people
	Listen string `json:"listen"` // ADDR:PORT
	// Database is the libpq connection string of the server in this region;
	// empty where the region has none.
	Database string `json:"database,omitempty"`
	// ReadsName and WritesName are the shop's names, shown on the page.
	ReadsName  string `json:"reads_name"`
	WritesName string `json:"writes_name"`
}

// RunFile runs the shop that a JSON file describes until ctx ends. It is what
// the hidden sub-command demo-shop calls.
func RunFile(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fault.NotFoundf("shop "+path, "the configuration cannot be read").Because(err)
	}
	var c Config
	if err := json.Unmarshal(text, &c); err != nil {
		return fault.Invalidf("shop "+path, "is not the JSON of a shop").Because(err)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fault.Unavailablef("shop in "+c.Region, "cannot listen at %s", c.Listen).Because(err).
			Do("end the process that uses that port, or choose another")
	}
	return Run(ctx, c, l)
}

// Run serves the shop at l until ctx ends, and closes l.
func Run(ctx context.Context, c Config, l net.Listener) error {
	t, err := newTill(c.Database)
	if err != nil {
		l.Close()
		return err
	}
	defer t.close()
	counting, stopCounting := context.WithCancel(ctx)
	counted := make(chan struct{})
	go func() { defer close(counted); t.count(counting) }()
	defer func() { stopCounting(); <-counted }()

	server := &http.Server{Handler: handler(c, t), ReadHeaderTimeout: 2 * time.Second, IdleTimeout: time.Minute}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(drain) != nil {
			server.Close() // somebody keeps talking; a closed shop does not wait for ever
		}
	})
	err = server.Serve(l)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the shop in %s: %w", c.Region, err)
}

func handler(c Config, t *till) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Region", c.Region)
		fmt.Fprintln(w, "ok", c.Region)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { servePage(w, r, c, t) })
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) { serveOrder(w, r, c, t) })
	return mux
}
