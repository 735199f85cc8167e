package alpn_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"fairlead/cmd/internal/alpn"
	"fairlead/cmd/internal/identity"
)

// Each connection reaches the listener of the protocol that it names, one that
// names none reaches the old one, and one that says nothing holds up nobody.
func TestOnePortServesSeveralProtocols(t *testing.T) {
	id, err := identity.Mint(t.TempDir(), identity.Request{Node: "node-1", Hosts: []string{"127.0.0.1"}, Roles: []identity.Role{identity.Control}})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := alpn.New(inner, id.TLSServer(), slog.New(slog.DiscardHandler), "", "other/1")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for _, name := range []string{"", "other/1"} {
		go func() {
			for {
				c, err := p.Listener(name).Accept()
				if err != nil {
					return
				}
				io.WriteString(c, "<"+name+">")
				c.Close()
			}
		}()
	}
	silent, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, name := range []string{"", "other/1", ""} {
		c := id.TLSClient("127.0.0.1")
		if name != "" {
			c.NextProtos = []string{name}
		}
		conn, err := tls.Dial("tcp", inner.Addr().String(), c)
		if err != nil {
			t.Fatalf("dial for %q: %v", name, err)
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		if text, err := io.ReadAll(conn); err != nil || string(text) != "<"+name+">" {
			t.Errorf("who names %q reaches %q (%v)", name, text, err)
		}
		conn.Close()
	}
	c := id.TLSClient("127.0.0.1")
	c.NextProtos = []string{"unheard/1"}
	if conn, err := tls.Dial("tcp", inner.Addr().String(), c); err == nil {
		conn.Close()
		t.Error("a protocol that nobody serves was let in")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the port ended with %v", err)
	}
}
