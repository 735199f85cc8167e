package api

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"fairlead/api/openapi"
)

// EventType names a kind of live event.
type EventType string

const (
	StatusEvent    EventType = "status"
	ExecutionEvent EventType = "execution"
	AlarmEvent     EventType = "alarm"
	AuditEvent     EventType = "audit"
	HistoryEvent   EventType = "history"
	ResetEvent     EventType = "reset"
)

// ringSize is how many events a watcher may miss before it has to start anew.
const ringSize = 2048

// Stream holds the newest live events of this node for all watchers.
//
// There is one ring and no queue per watcher: each reads at its own pace, and
// one that is too slow, or was away too long, is told to start anew. Whole
// pictures (status) do not lie in the ring; only the newest one is of use.
type Stream struct {
	id string // tells streams of other nodes and of earlier lives apart

	mu      sync.Mutex
	ring    []liveEvent // positions next-len(ring) … next-1
	next    uint64
	status  json.RawMessage
	version uint64        // of status
	changed chan struct{} // closed at the next change
	readers int
	woken   chan struct{}   // holds a token when a reader came
	touched map[string]bool // runs of which something was published, to be looked up
	touch   chan struct{}   // holds a token when touched is not empty
}

type liveEvent struct {
	Type EventType
	Data json.RawMessage
}

// NewStream returns an empty stream.
func NewStream() *Stream {
	b := make([]byte, 6)
	rand.Read(b)
	return &Stream{id: hex.EncodeToString(b), next: 1, changed: make(chan struct{}),
		woken: make(chan struct{}, 1), touched: map[string]bool{}, touch: make(chan struct{}, 1)}
}

// Audit publishes a new entry of the trail. If it belongs to a run, watchers
// hear of the run as well, as soon as the server has looked it up.
func (s *Stream) Audit(e openapi.AuditEntry) error {
	if e.Execution != "" {
		s.mu.Lock()
		s.touched[e.Execution] = true
		s.mu.Unlock()
		signal(s.touch)
	}
	return s.publish(AuditEvent, e)
}

// History publishes something this node saw.
func (s *Stream) History(e openapi.HistoryEntry) error { return s.publish(HistoryEvent, e) }

// Execution publishes where a run stands now.
func (s *Stream) Execution(x openapi.ExecutionSummary) error { return s.publish(ExecutionEvent, x) }

// Alarm publishes that an alarm came or went.
func (s *Stream) Alarm(e openapi.AlarmEvent) error { return s.publish(AlarmEvent, e) }

func (s *Stream) publish(t EventType, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("publish a live event of type %s: %w", t, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) == ringSize {
		s.ring = append(s.ring[:0:0], s.ring[ringSize/4:]...)
	}
	s.ring = append(s.ring, liveEvent{t, b})
	s.next++
	s.wake()
	return nil
}

// draw replaces the picture that watchers see.
func (s *Stream) draw(picture json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = picture
	s.version++
	s.wake()
}

// wake needs mu.
func (s *Stream) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// cursor is where a watcher stands.
type cursor struct {
	next    uint64 // position of the next event wanted
	version uint64 // of the last picture seen
}

// batch is what a watcher should see now.
type batch struct {
	first  uint64 // position of events[0]
	events []liveEvent
	status json.RawMessage // nil: no newer one
	lost   bool            // events before these are gone
}

// read returns what is new for a watcher, moves its cursor, and a channel that
// closes when there is more.
func (s *Stream) read(at *cursor) (batch, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.next - uint64(len(s.ring))
	b := batch{}
	if at.next > s.next || at.next < oldest {
		b.lost = true
		at.next = s.next
	}
	b.first = at.next
	b.events = append(b.events, s.ring[at.next-oldest:]...)
	at.next = s.next
	if at.version < s.version {
		b.status, at.version = s.status, s.version
	}
	return b, s.changed
}

// resume makes a cursor of the id of the last event a watcher saw.
func (s *Stream) resume(last string) (at cursor, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at = cursor{next: s.next, version: s.version}
	if last == "" {
		return at, false
	}
	id, text, _ := strings.Cut(last, ".")
	position, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id != s.id || position >= s.next || position+1 < s.next-uint64(len(s.ring)) {
		return at, true
	}
	at.next = position + 1
	return at, false
}

// eventID is the resume point after the event at a position.
func (s *Stream) eventID(position uint64) string {
	return s.id + "." + strconv.FormatUint(position, 10)
}

// join and leave count the watchers, so that nobody draws for nobody.
func (s *Stream) join() (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers >= maxWatchers {
		return false
	}
	s.readers++
	signal(s.woken)
	return true
}

// signal leaves a token for one reader who may be busy.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeTouched returns the runs to be looked up and forgets them.
func (s *Stream) takeTouched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Sorted(maps.Keys(s.touched))
	clear(s.touched)
	return ids
}

func (s *Stream) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers--
}

func (s *Stream) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readers > 0
}
