package observe_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fairlead/cmd/internal/demo/dnsstub"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/observe"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPromotionsAreCountedFromPostgreSQLsOwnLog(t *testing.T) {
	first := write(t, "a.log", `2026-11-23 09:00:01.000 UTC [1] LOG:  received promote request
2026-11-23 09:00:01.001 UTC [1] LOG:  redo done at 0/3000110
2026-11-23 09:00:01.002 UTC [1] LOG:  selected new timeline ID: 2
`)
	second := write(t, "b.log", "2026-11-23 09:05:00.002 UTC [1] LOG:  selected new timeline ID: 3\n")
	got, err := observe.Promotions(first, second, filepath.Join(t.TempDir(), "absent.log"))
	if err != nil || !slices.Equal(got, []int{2, 3}) {
		t.Errorf("Promotions = %v, %v, want timelines 2 and 3", got, err)
	}
}

func TestBranchesTellWhereATimelineLeftItsParent(t *testing.T) {
	dir := t.TempDir()
	wal := filepath.Join(dir, "pg_wal")
	if err := os.Mkdir(wal, 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(wal, "00000002.history"), []byte("1\t0/3000148\tno recovery target specified\n"), 0o600)
	os.WriteFile(filepath.Join(wal, "0000000A.history"), []byte("1\t0/3000148\tno recovery target specified\n\n2\t1/A0\tno recovery target specified\n"), 0o600)
	got, err := observe.Branches(dir)
	want := []observe.Branch{{Timeline: 2, Parent: 1, At: 0x3000148}, {Timeline: 10, Parent: 2, At: 1<<32 | 0xa0}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Branches = %+v, %v, want %+v", got, err, want)
	}
}

func TestParseLSN(t *testing.T) {
	for text, want := range map[string]observe.LSN{"0/0": 0, "0/3000148": 0x3000148, "1/0": 1 << 32, " A/FF \n": 10<<32 | 0xff} {
		if got, err := observe.ParseLSN(text); err != nil || got != want {
			t.Errorf("ParseLSN(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "x/1", "0/", "0/100000000"} {
		if got, err := observe.ParseLSN(text); err == nil {
			t.Errorf("ParseLSN(%q) = %d, want an error", text, got)
		}
	}
}

func TestPollerEntersAnswersAndSilences(t *testing.T) {
	s := dnsstub.New(t, time.Second)
	s.Set("www.shop.example", "127.10.0.1")
	europe := netip.MustParsePrefix("192.0.2.0/24")
	s.SetFor(europe, "www.shop.example", "127.20.0.1")
	book := &ledger.Book{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- observe.Poller{Servers: []netip.AddrPort{s.Address()}, Name: "www.shop.example", Interval: 20 * time.Millisecond,
			Clients: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), europe}, Book: book}.Run(ctx)
	}()
	wait := func(what string, enough func([]ledger.Reply) bool) []ledger.Reply {
		t.Helper()
		for range 500 {
			if all := book.Replies(time.Time{}); enough(all) {
				return all
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s never happened", what)
		return nil
	}
	for _, r := range wait("an answer", func(all []ledger.Reply) bool { return len(all) >= 20 }) {
		want := "127.10.0.1"
		if r.Client == europe {
			want = "127.20.0.1"
		}
		if !r.Answered || len(r.Addresses) != 1 || r.Addresses[0].String() != want || r.Settled.Before(r.Sent) {
			t.Errorf("entered %+v, want an answer of %s", r, want)
		}
	}
	s.Silence(true)
	wait("a silence", func(all []ledger.Reply) bool { return !all[len(all)-1].Answered })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
}
