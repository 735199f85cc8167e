package shop

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Order is what a shopper sends. The shopper chooses the identifier, so that
// he can tell afterwards what became of an order whose answer he never saw.
type Order struct {
	ID      string `json:"id"` // a UUID; one is made if it is empty
	Shopper string `json:"shopper"`
}

// Receipt is the answer to an order that is committed.
type Receipt struct {
	ID     string    `json:"id"`
	Region string    `json:"region"`
	At     time.Time `json:"at"` // by the database's clock
}

// Written says what is known of an order that was not acknowledged.
type Written string

const (
	No      Written = "no"      // it is certainly not in the database
	Unknown Written = "unknown" // it was sent and its fate was not seen
)

// Refusal is the answer to any other order: 503 with No, 500 with Unknown.
type Refusal struct {
	Problem string  `json:"problem"`
	Written Written `json:"written"`
	Region  string  `json:"region"`
}

// orderTime is how long the shop waits for its database.
const orderTime = 1500 * time.Millisecond

func serveOrder(w http.ResponseWriter, r *http.Request, c Config, t *till) {
	var o Order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&o); err != nil {
		http.Error(w, "an order is JSON: "+err.Error(), http.StatusBadRequest)
		return
	}
	if o.ID == "" {
		o.ID = NewID()
	}
	if o.Shopper == "" {
		o.Shopper = "somebody"
	}
	w.Header().Set("X-Region", c.Region)
	ctx, cancel := context.WithTimeout(r.Context(), orderTime)
	defer cancel()
	at, err := t.take(ctx, o, c.Region)
	if err == nil {
		reply(w, http.StatusCreated, Receipt{ID: o.ID, Region: c.Region, At: at})
		return
	}
	refusal := Refusal{Problem: err.Error(), Written: err.written, Region: c.Region}
	// Clients that keep connections would otherwise stay with a region that
	// cannot write for as long as it answers; closing makes them look again.
	w.Header().Set("Connection", "close")
	status := http.StatusServiceUnavailable
	if refusal.Written == Unknown {
		status = http.StatusInternalServerError
	}
	reply(w, status, refusal)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // the reader has gone, if anything; nobody is left to tell
}

// NewID makes a random UUID (RFC 9562, version 4).
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// unplaced is why an order was not acknowledged, and what is known of it.
type unplaced struct {
	problem string
	written Written
	err     error
}

func (u *unplaced) Error() string {
	if u.err == nil {
		return u.problem
	}
	return fmt.Sprintf("%s: %v", u.problem, u.err)
}
