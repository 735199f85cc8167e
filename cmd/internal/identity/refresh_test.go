package identity_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"fairlead/cmd/internal/identity"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// shake connects two configurations and returns the serial numbers that each
// side saw of the other's certificate.
func shake(t *testing.T, server, client *tls.Config) (ofServer, ofClient string) {
	t.Helper()
	a, b := net.Pipe()
	s, c := tls.Server(a, server), tls.Client(b, client)
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	err := c.Handshake()
	if err != nil {
		t.Fatal("the client's handshake:", err)
	}
	go c.Read(make([]byte, 1)) // the pipe holds nothing back: take the session ticket
	if err := <-done; err != nil {
		t.Fatal("the server's handshake:", err)
	}
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String(), s.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestARenewedCertificateIsUsedWithoutRestart(t *testing.T) {
	root := t.TempDir()
	a, err := identity.NewAuthority(filepath.Join(root, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	load := func(name string) *identity.Identity {
		dir := filepath.Join(root, name)
		if err := a.Issue(dir, request(name, identity.Control)); err != nil {
			t.Fatal(err)
		}
		id, err := identity.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	one, two := load("one"), load("two")
	server, client := one.TLSServer(identity.Control), two.TLSClient("one", identity.Control) // made once, before the renewal
	server1, client1 := shake(t, server, client)
	if renewed, err := one.Refresh(); renewed || err != nil {
		t.Errorf("Refresh with the same files = %v, %v; want false, nil", renewed, err)
	}
	before, err := one.SignEpoch("orders", regions.Epoch{Incarnation: 1, Number: 7, Writer: "east"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []*identity.Identity{one, two} {
		if err := a.Issue(filepath.Join(root, string(id.Node)), request(string(id.Node), identity.Control)); err != nil {
			t.Fatal(err)
		}
		if renewed, err := id.Refresh(); !renewed || err != nil {
			t.Fatalf("Refresh with a new certificate = %v, %v; want true, nil", renewed, err)
		}
	}
	server2, client2 := shake(t, server, client)
	if server1 == server2 || client1 == client2 {
		t.Errorf("serial numbers shown before and after: server %s, %s; client %s, %s; want new ones", server1, server2, client1, client2)
	}
	after, err := one.SignEpoch("orders", regions.Epoch{Incarnation: 1, Number: 8, Writer: "east"})
	if err != nil {
		t.Fatal(err)
	}
	if err := two.VerifyEpoch(before); err != nil {
		t.Errorf("an epoch signed before the renewal: %v", err)
	}
	if err := two.VerifyEpoch(after); err != nil {
		t.Errorf("an epoch signed after the renewal: %v", err)
	}
}

func TestARenewalThatIsWrongChangesNothing(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, a *identity.Authority, dir string) error{
		"half written": func(t *testing.T, a *identity.Authority, dir string) error {
			other := t.TempDir()
			if err := a.Issue(other, request("one", identity.Control)); err != nil {
				return err
			}
			copyFile(t, other, dir, "node.key")
			return nil
		},
		"of another node": func(_ *testing.T, a *identity.Authority, dir string) error {
			return a.Issue(dir, request("two", identity.Control))
		},
		"with other roles": func(_ *testing.T, a *identity.Authority, dir string) error {
			return a.Issue(dir, request("one", identity.DNS))
		},
		"of another cluster": func(t *testing.T, _ *identity.Authority, dir string) error {
			stranger, err := identity.NewAuthority(t.TempDir())
			if err != nil {
				return err
			}
			return stranger.Issue(dir, request("one", identity.Control))
		},
		"gone": func(_ *testing.T, _ *identity.Authority, dir string) error {
			return os.Remove(filepath.Join(dir, "node.crt"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := identity.NewAuthority(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := a.Issue(dir, request("one", identity.Control)); err != nil {
				t.Fatal(err)
			}
			id, err := identity.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			serial, _ := shake(t, id.TLSServer(), id.TLSClient("one"))
			if err := spoil(t, a, dir); err != nil {
				t.Fatal(err)
			}
			renewed, err := id.Refresh()
			if _, sentence := errors.AsType[*fault.Error](err); renewed || !sentence {
				t.Errorf("Refresh = %v, %v; want false and a sentence", renewed, err)
			}
			if now, _ := shake(t, id.TLSServer(), id.TLSClient("one")); now != serial {
				t.Errorf("serial number shown = %s, want still %s", now, serial)
			}
		})
	}
}
