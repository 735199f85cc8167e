package lab

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"fairlead/cmd/internal/lab/wire"
)

// Region is one of the regions, with a shop and a node.
type Region struct {
	Name  string
	Place *wire.Place
	Node  *Node

	lab  *Lab
	shop *http.Server
}

// Shop returns the shop's address.
func (r *Region) Shop() netip.Addr { return r.Place.Host(2) }

// Open opens the shop.
func (r *Region) Open() error {
	l, err := r.Place.Listen("tcp", net.JoinHostPort(r.Shop().String(), "80"))
	if err != nil {
		return fmt.Errorf("open the shop of %s: %w", r.Name, err)
	}
	r.shop = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "open") })}
	go r.shop.Serve(l)
	r.lab.Observer.Shop(r.Shop(), r.Name, true)
	return nil
}

// Shut ends the shop as SIGKILL would: connections break, and nobody listens.
func (r *Region) Shut() {
	if r.shop == nil {
		return
	}
	r.lab.Observer.Shop(r.Shop(), r.Name, false)
	r.shop.Close()
	r.shop = nil
}
