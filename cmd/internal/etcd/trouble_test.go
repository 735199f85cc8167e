package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"fairlead/cmd/internal/etcd"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/storetest"
	"fairlead/regions/fault"
)

// run runs a database that is expected to fail by itself.
func run(t *testing.T, s etcd.Settings) error {
	t.Helper()
	d, err := etcd.New(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = d.Run(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("it did not fail within %v: %w", patience, err)
	}
	if _, after := d.Range(t.Context(), store.Query{Span: store.Key("a")}); !fault.Is(after, fault.Unavailable) {
		t.Errorf("after the failure a read says %v, want Unavailable", after)
	}
	return err
}

// says runs a database that loses its disk by itself, and returns what a read
// is told once the disk has been found out. Run must not return before it is
// told to: the process has names to answer.
func says(t *testing.T, s etcd.Settings) error {
	t.Helper()
	d, _ := open(t, s) // fails the test if Run returns an error
	for deadline := time.Now().Add(patience); ; {
		_, err := d.Range(t.Context(), store.Query{Span: store.Key("a")})
		if err != nil && (strings.Contains(err.Error(), "is full") || strings.Contains(err.Error(), "damaged")) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// sentence fails unless err is of the kind, on one line and says all words.
func sentence(t *testing.T, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if err == nil || fault.Of(err) != kind || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v (%v), want a sentence of kind %v", err, fault.Of(err), kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	t.Log(err)
}

func TestAPortInUseIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := newAuthority(t)
	s := members(t, a, 1)[0]
	s.ListenPeer = l.Addr().String()
	sentence(t, run(t, s), fault.Conflict, l.Addr().String(), "is in use")
	s = members(t, a, 1)[0]
	s.ListenClient = l.Addr().String()
	sentence(t, run(t, s), fault.Conflict, l.Addr().String(), "is in use")
}

func TestADirectoryInUseIsNamed(t *testing.T) {
	dir := t.TempDir()
	d, _ := open(t, alone(dir))
	ready(t, d)
	sentence(t, run(t, alone(dir)), fault.Conflict, dir, "in use by another process")
}

func TestADirectoryThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sentence(t, run(t, alone(filepath.Join(file, "store"))), fault.Denied, file)
}

func TestADirectoryOfANewerVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	d, stop := open(t, alone(dir))
	ready(t, d)
	stop()
	// What a later etcd leaves behind: a cluster of its version.
	db, err := bbolt.Open(filepath.Join(dir, "member", "snap", "db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("cluster"))
		if b == nil {
			return errors.New("no cluster bucket")
		}
		return errors.Join(b.Put([]byte("clusterVersion"), []byte("9.9.0")),
			tx.Bucket([]byte("meta")).Put([]byte("storageVersion"), []byte("9.9.0")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	sentence(t, run(t, alone(dir)), fault.Invalid, dir, "newer version")
}

func TestDamagedDataAreNamed(t *testing.T) {
	dir := t.TempDir()
	d, stop := open(t, alone(dir))
	ready(t, d)
	if err := put(t.Context(), d, "a", "1"); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := os.WriteFile(filepath.Join(dir, "member", "snap", "db"), []byte(strings.Repeat("no database", 10000)), 0o600); err != nil {
		t.Fatal(err)
	}
	sentence(t, says(t, alone(dir)), fault.Unavailable, dir, "damaged")
}

func TestAFullDiskEndsDecisionsAndNotTheProcess(t *testing.T) {
	t.Run("before the start", func(t *testing.T) {
		dir := storetest.SmallDisk(t, "2m")
		storetest.FillDisk(t, dir)
		sentence(t, says(t, alone(filepath.Join(dir, "store"))), fault.Unavailable, "the disk of", "is full")
	})
	t.Run("while it runs", func(t *testing.T) {
		dir := storetest.SmallDisk(t, "160m")
		d, _ := open(t, alone(dir))
		ready(t, d)
		if err := put(t.Context(), d, "a", "1"); err != nil {
			t.Fatal(err)
		}
		storetest.FillDisk(t, dir)
		value := strings.Repeat("x", 512<<10)
		for i := 0; ; i++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := put(ctx, d, fmt.Sprint("k", i), value)
			cancel()
			if err != nil {
				sentence(t, err, fault.Unavailable)
				break
			}
			if i == 1000 {
				t.Fatal("a full disk takes 500 MB")
			}
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			_, err := d.Range(t.Context(), store.Query{Span: store.Key("a")})
			if err != nil && (strings.Contains(err.Error(), "is full") || strings.Contains(err.Error(), "damaged")) || time.Now().After(deadline) {
				sentence(t, err, fault.Unavailable, "the disk of", "is full", "restart this node")
				break
			}
		}
	})
}

func TestWrongSettingsAreRefusedInASentence(t *testing.T) {
	member := members(t, newAuthority(t), 1)[0]
	peers := func(p ...etcd.Peer) etcd.Settings {
		s := member
		s.Peers = p
		return s
	}
	tests := []struct {
		name string
		s    etcd.Settings
		want string
	}{
		{"nothing", etcd.Settings{}, "neither a directory nor"},
		{"both", etcd.Settings{Dir: "x", Endpoints: []string{"http://127.0.0.1:1"}}, "both"},
		{"no name", etcd.Settings{Dir: "x"}, "no name"},
		{"a host without a scheme", etcd.Settings{Endpoints: []string{"db.example:2379"}}, "scheme"},
		{"a URL without a port", etcd.Settings{Endpoints: []string{"https://db.example"}}, "a host and a port"},
		{"a URL with a path", etcd.Settings{Endpoints: []string{"https://db.example:2379/v3"}}, "a host and a port"},
		{"a URL with a password", etcd.Settings{Endpoints: []string{"https://root:hunter2@db.example:2379"}}, "client certificate"},
		{"not a URL", etcd.Settings{Endpoints: []string{"http://[::1"}}, "cannot be read"},
		{"peers without this node", peers(etcd.Peer{Name: "other", Address: "10.0.0.1:8473"}), "not among the peers"},
		{"a peer without a port", peers(etcd.Peer{Name: member.Name, Address: "10.0.0.1"}), "host:port"},
		{"a peer twice", peers(member.Peers[0], member.Peers[0]), "twice"},
		{"peers without certificates", etcd.Settings{Dir: "x", Name: "a", Peers: []etcd.Peer{{Name: "a", Address: "10.0.0.1:1"}}, ListenPeer: "10.0.0.1:1"}, "no certificate"},
		{"a listen address that is a name", func() etcd.Settings { s := member; s.ListenPeer = "localhost:8473"; return s }(), "IP address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := etcd.New(tt.s)
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("New = %v, %v; want a sentence with %q", d, err, tt.want)
			}
		})
	}
}

func TestAnExternalClusterThatDoesNotAnswerIsWaitedFor(t *testing.T) {
	address := freePort(t)
	d, stop := open(t, etcd.Settings{Endpoints: []string{"http://" + address}})
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		err := put(ctx, d, "a", "1")
		cancel()
		if err != nil && strings.Contains(err.Error(), "not running yet") && time.Now().Before(deadline) {
			continue // Run has not begun
		}
		sentence(t, err, fault.Unavailable, address)
		break
	}
	select {
	case <-d.Ready():
		t.Error("ready, and nobody has answered")
	default:
	}
	stop()
}
