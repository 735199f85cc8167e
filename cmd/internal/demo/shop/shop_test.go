package shop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/observe"
	"fairlead/cmd/internal/demo/shop"
	"fairlead/providers/postgres/pair"
)

// run opens a shop on addr and returns its URL and what closes it.
func run(t *testing.T, c shop.Config, addr string) (url string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", addr+":0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- shop.Run(ctx, c, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
	t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func order(t *testing.T, url, id string) (int, shop.Receipt, shop.Refusal) {
	t.Helper()
	body, _ := json.Marshal(shop.Order{ID: id, Shopper: "test"})
	resp, err := http.Post(url+"/orders", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var receipt shop.Receipt
	var refusal shop.Refusal
	json.Unmarshal(b, &receipt)
	json.Unmarshal(b, &refusal)
	return resp.StatusCode, receipt, refusal
}

func TestAShopWithoutADatabase(t *testing.T) {
	url, stop := run(t, shop.Config{Region: "ap-south", Title: "AP South", ReadsName: "www.shop.example", WritesName: "orders.shop.example"}, "127.30.0.1")
	t.Run("serves its page and says which region it is", func(t *testing.T) {
		if status, text := get(t, url+"/"); status != 200 || !strings.Contains(text, "AP South") || !strings.Contains(text, "www.shop.example") {
			t.Errorf("the page is %d %.200q", status, text)
		}
	})
	t.Run("is healthy", func(t *testing.T) {
		if status, text := get(t, url+"/healthz"); status != 200 || !strings.Contains(text, "ok") {
			t.Errorf("/healthz is %d %q", status, text)
		}
	})
	t.Run("refuses an order and says that nothing was written", func(t *testing.T) {
		if status, _, refusal := order(t, url, shop.NewID()); status != 503 || refusal.Written != shop.No {
			t.Errorf("an order gets %d %+v, want 503 and written: no", status, refusal)
		}
	})
	t.Run("refuses what is no order", func(t *testing.T) {
		resp, err := http.Post(url+"/orders", "application/json", strings.NewReader("a parrot"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("status %d, want 400", resp.StatusCode)
		}
	})
	t.Run("closes when told", func(t *testing.T) {
		stop()
		if _, err := http.Get(url); err == nil {
			t.Error("a closed shop answered")
		}
	})
}

func TestRunFileTellsWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, text := range map[string]string{
		"is not the JSON of a shop": "nonsense",
		"cannot listen at":          `{"region": "us-east", "listen": "` + taken.Addr().String() + `"}`,
	} {
		path := t.TempDir() + "/shop.json"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := shop.RunFile(t.Context(), path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("RunFile of %q = %v, want %q", text, err, name)
		}
	}
}

// TestShopsBesideARealPair walks a till through the life of its database:
// primary, standby, stopped, promoted. The outside observers look on.
func TestShopsBesideARealPair(t *testing.T) {
	in, err := pair.Find()
	if err != nil {
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skipf("needs PostgreSQL's server programs: %v", err)
	}
	dir, err := os.MkdirTemp("", "fl-shop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	template, err := pair.NewTemplate(t.Context(), in, dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := template.Create(t.Context(), dir, pair.Place{Region: "us-east", Host: "127.10.0.1"}, pair.Place{Region: "eu-central", Host: "127.20.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	eastDSN, err := p.Primary.AppDSN()
	if err != nil {
		t.Fatal(err)
	}
	euDSN, err := p.Standby.AppDSN()
	if err != nil {
		t.Fatal(err)
	}
	if err := (observe.Server{DSN: eastDSN}).Exec(t.Context(), shop.Schema); err != nil {
		t.Fatal(err)
	}
	east, _ := run(t, shop.Config{Region: "us-east", Title: "US East", Database: eastDSN}, "127.10.0.1")
	eu, _ := run(t, shop.Config{Region: "eu-central", Title: "EU Central", Database: euDSN}, "127.20.0.1")

	book := &ledger.Book{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- observe.Direct{Name: "direct", Servers: []string{eastDSN, euDSN}, Interval: 10 * time.Millisecond, Book: book}.Run(ctx)
	}()

	id := shop.NewID()
	if status, receipt, refusal := order(t, east, id); status != 201 || receipt.ID != id || receipt.Region != "us-east" || receipt.At.IsZero() {
		t.Fatalf("an order beside the primary gets %d %+v %+v, want 201", status, receipt, refusal)
	}
	if ids, err := (observe.Server{DSN: p.Primary.SuperDSN()}).OrderIDs(t.Context()); err != nil || !ids[id] {
		t.Errorf("the acknowledged order is not in the database: %v", err)
	}
	if status, _, refusal := order(t, eu, shop.NewID()); status != 503 || refusal.Written != shop.No || !strings.Contains(refusal.Problem, "standby") {
		t.Errorf("an order beside the standby gets %d %+v, want 503 and written: no", status, refusal)
	}
	if status, _, refusal := order(t, east, id); status != 503 || refusal.Written != shop.No {
		t.Errorf("the same order again gets %d %+v, want a refusal", status, refusal)
	}
	wrote, refusal := observe.Server{DSN: p.Standby.SuperDSN()}.TryWrite(t.Context(), shop.NewID())
	if wrote || !strings.Contains(refusal, "25006") {
		t.Errorf("a superuser's write to a standby: wrote=%v %q, want a refusal", wrote, refusal)
	}

	if err := p.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if status, _, refusal := order(t, east, shop.NewID()); status == 201 {
		t.Errorf("an order beside a dead server gets %d %+v", status, refusal)
	}
	if status, _ := get(t, east+"/healthz"); status != 200 {
		t.Errorf("a shop whose database is dead says %d, want 200: its health is its own", status)
	}
	took, err := observe.BarePromote(t.Context(), p.Standby.SuperDSN())
	if err != nil || took <= 0 {
		t.Fatalf("BarePromote = %v, %v", took, err)
	}
	if status, _, refusal := order(t, eu, shop.NewID()); status != 201 {
		t.Errorf("an order beside the promoted server gets %d %+v, want 201", status, refusal)
	}
	if got, err := observe.Promotions(p.Primary.LogFile(), p.Standby.LogFile()); err != nil || len(got) != 1 || got[0] != 2 {
		t.Errorf("Promotions = %v, %v, want timeline 2 alone", got, err)
	}
	if got, err := observe.Branches(p.Standby.DataDir); err != nil || len(got) != 1 || got[0].Timeline != 2 || got[0].Parent != 1 || got[0].At == 0 {
		t.Errorf("Branches = %+v, %v, want timeline 2 off 1", got, err)
	}
	if got, err := (observe.Server{DSN: p.Standby.SuperDSN()}).Timeline(t.Context()); err != nil || got != 2 {
		t.Errorf("Timeline = %d, %v, want 2", got, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	acks := 0
	for _, o := range book.Orders(time.Time{}) {
		if o.Fate == ledger.Acknowledged {
			acks++
		}
	}
	if acks == 0 {
		t.Error("the direct writer was never acknowledged")
	}
}
