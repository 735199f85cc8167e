package ledger_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead/cmd/internal/demo/ledger"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func order(n int, fate ledger.Fate) ledger.Order {
	return ledger.Order{ID: fmt.Sprint(n), Client: "shopper-01", Fate: fate, Sent: noon, Settled: noon.Add(time.Duration(n) * time.Second)}
}

func TestABookWithABoundForgetsOldEntriesAndKeepsItsCounts(t *testing.T) {
	b := &ledger.Book{Recent: 10}
	for n := range 95 {
		b.AddOrder(order(n, ledger.Acknowledged))
		b.AddVisit(ledger.Visit{OK: n%5 != 0, Region: "us-east", Settled: noon})
	}
	kept := b.Orders(time.Time{})
	if len(kept) < 10 || len(kept) >= 20 || kept[len(kept)-1].ID != "94" {
		t.Errorf("%d orders are kept, the last is %s, want 10 to 19 and the newest", len(kept), kept[len(kept)-1].ID)
	}
	c := b.Counts()
	if c.Acknowledged != 95 || c.Served != 76 || c.Failed != 19 || c.ByRegion["us-east"] != 76 {
		t.Errorf("counts are %+v, want all 95", c)
	}
}

func TestOrdersSinceAMoment(t *testing.T) {
	b := &ledger.Book{}
	for _, n := range []int{3, 1, 2} { // writers are nearly, not wholly, in order
		b.AddOrder(order(n, ledger.Refused))
	}
	if got := b.Orders(noon.Add(2 * time.Second)); len(got) != 2 || got[0].ID != "3" || got[1].ID != "2" {
		t.Errorf("Orders from second 2 = %v, want 3 and 2", got)
	}
}

func TestTheFileHoldsWhatIsAcknowledgedOrUnknown(t *testing.T) {
	var file bytes.Buffer
	b := &ledger.Book{File: bufio.NewWriter(&file)}
	b.AddOrder(order(1, ledger.Acknowledged))
	b.AddOrder(order(2, ledger.Refused))
	b.AddOrder(order(3, ledger.Indeterminate))
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := ledger.ReadOrders(&file)
	if err != nil || len(got) != 2 || got[0] != order(1, ledger.Acknowledged) || got[1] != order(3, ledger.Indeterminate) {
		t.Errorf("the file holds %+v, %v, want orders 1 and 3", got, err)
	}
	if _, err := ledger.ReadOrders(strings.NewReader(`{"id": "1"}` + "\nnonsense")); err == nil || !strings.Contains(err.Error(), "after entry 1") {
		t.Errorf("ReadOrders of a damaged file = %v, want the place", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFullDiskIsSaid(t *testing.T) {
	b := &ledger.Book{File: bufio.NewWriterSize(full{}, 16)}
	b.AddOrder(order(1, ledger.Acknowledged))
	if err := b.Flush(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Flush = %v, want the disk's reason", err)
	}
}
