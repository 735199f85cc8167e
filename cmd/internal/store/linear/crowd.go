package linear

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Decider decides for somebody, and reads what is decided now: no copy of it.
// A call that returns fault.Unavailable, or the end of its context, may have
// been carried out or not, now or later.
type Decider interface {
	Drain(ctx context.Context, region regions.ID, id string) error
	End(ctx context.Context, id string) error
	Advance(ctx context.Context, from, to regions.Epoch) error
	Read(ctx context.Context) (Seen, error)
}

// Crowd is several people who decide at once.
type Crowd struct {
	Deciders []Decider    // each of them acts for Each people
	Each     int          // people per decider
	Regions  []regions.ID // that they drain
	Writers  []regions.ID // that may write
	Patience time.Duration
	Pause    time.Duration // the longest that somebody rests between two acts
	Seed     uint64

	mu      sync.Mutex
	history []porcupine.Operation
	wrong   error
}

// Run lets everybody act until ctx ends and each of them has done no more than
// most acts. It returns the history, and an answer that none of these acts
// should ever get.
func (c *Crowd) Run(ctx context.Context, most int) ([]porcupine.Operation, error) {
	began := time.Now()
	var all sync.WaitGroup
	for i := range len(c.Deciders) * c.Each {
		p := &person{crowd: c, at: c.Deciders[i%len(c.Deciders)], name: i, dice: rand.New(rand.NewPCG(c.Seed, uint64(i))), began: began}
		all.Go(func() {
			for n := range most {
				if ctx.Err() != nil {
					return
				}
				p.act(ctx, n)
				time.Sleep(time.Duration(p.dice.Int64N(int64(c.Pause) + 1)))
			}
		})
	}
	all.Wait()
	return c.history, c.wrong
}

// person remembers what they were last shown, as people do.
type person struct {
	crowd *Crowd
	at    Decider
	name  int
	dice  *rand.Rand
	began time.Time
	seen  Seen
	mine  []string
}

func (p *person) act(ctx context.Context, n int) {
	ask := p.choose(n)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.crowd.Patience)
	defer cancel()
	called := time.Since(p.began)
	seen, err := p.carry(ctx, ask)
	got := Answer{Seen: seen}
	returned := int64(time.Since(p.began))
	switch kind := fault.Of(err); {
	case err == nil:
		got.Outcome = Done
	case kind == fault.Unavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		got.Outcome, returned = Unknown, math.MaxInt64
	case (kind == fault.Conflict || kind == fault.NotFound) && ask.Verb != Read:
		got.Outcome = Refused
	default:
		p.crowd.complain(fmt.Errorf("%s: %w", describe(ask, got), err))
		return
	}
	if ask.Verb == Read && got.Outcome == Unknown {
		return // it says nothing
	}
	if ask.Verb == Read {
		p.seen = seen
	}
	if ask.Verb == Drain && got.Outcome != Refused {
		p.mine = append(p.mine, ask.ID)
	}
	p.crowd.note(porcupine.Operation{ClientId: p.name, Input: ask, Call: int64(called), Output: got, Return: returned})
}

// choose is what somebody asks for next, by what they were last shown.
func (p *person) choose(n int) Act {
	c := p.crowd
	switch dice := p.dice.IntN(10); {
	case n == 0 || dice < 4:
		return Act{Verb: Read}
	case dice < 6:
		return Act{Verb: Drain, Region: c.Regions[p.dice.IntN(len(c.Regions))], ID: fmt.Sprintf("p%d-%d", p.name, n)}
	case dice < 8:
		if len(p.mine) > 0 {
			return Act{Verb: End, ID: p.mine[p.dice.IntN(len(p.mine))]}
		}
		return Act{Verb: Read}
	}
	return Act{Verb: Advance, From: p.seen.Epoch, To: p.seen.Epoch.Next(c.Writers[p.dice.IntN(len(c.Writers))])}
}

func (p *person) carry(ctx context.Context, ask Act) (Seen, error) {
	switch ask.Verb {
	case Drain:
		return Seen{}, p.at.Drain(ctx, ask.Region, ask.ID)
	case End:
		return Seen{}, p.at.End(ctx, ask.ID)
	case Advance:
		return Seen{}, p.at.Advance(ctx, ask.From, ask.To)
	}
	return p.at.Read(ctx)
}

func (c *Crowd) note(o porcupine.Operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, o)
}

func (c *Crowd) complain(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = errors.Join(c.wrong, err)
}

// Count returns how many acts of a history ended so.
func Count(history []porcupine.Operation, o Outcome) (n int) {
	for _, op := range history {
		if op.Output.(Answer).Outcome == o {
			n++
		}
	}
	return n
}

// Known returns the part of a history before anything became unknown: what was
// asked before the first act whose outcome nobody knows, without the reads that
// may have seen it. It is quick to check.
func Known(history []porcupine.Operation) (known []porcupine.Operation) {
	first := int64(math.MaxInt64)
	for _, op := range history {
		if op.Output.(Answer).Outcome == Unknown {
			first = min(first, op.Call)
		}
	}
	for _, op := range history {
		if op.Call < first && (op.Return < first || op.Input.(Act).Verb != Read) {
			known = append(known, op)
		}
	}
	return known
}
