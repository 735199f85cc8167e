package steps

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"fairlead/providers"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// rpo is the gate before anything is changed: how much would be lost if the
// standby were promoted with what it has now. It measures, compares with the
// ceiling, and leaves a receipt. Unknown is a value, and above every ceiling.
type rpo struct {
	ask           Providers
	provider      string
	request       providers.Request
	bytes         int64
	seconds       float64
	acceptUnknown bool
	raised        bool // above what the database allows by itself
	approved      bool // the plan has people approve it
	planned       bool // the old writer is stopped cleanly first, so only its backlog counts
	database      regions.DatabaseID
	describe      string
}

var rpoKind = kind{
	Kind: runbooks.Kind{Name: "rpo", About: "measure what a promotion would lose now; refuse if that is above the ceiling; leave a receipt", Guard: true,
		With: []runbooks.Field{{Name: "database"}, {Name: "to"}, {Name: "max_loss_bytes"}, {Name: "max_loss_time"}, {Name: "accept_unknown"}},
		Values: []string{runbooks.ReceiptValue, "bytes_min", "bytes_max", "seconds_min", "seconds_max", "age_seconds", "source",
			"ceiling_bytes", "ceiling_seconds"}},
	build: func(b binding) (runbooks.Step, error) {
		d, err := b.database()
		if err != nil {
			return nil, err
		}
		g := rpo{ask: b.out.Providers, provider: d.Engine, database: d.ID, bytes: d.MaxLagBytes, seconds: d.MaxLagTime.Seconds(),
			acceptUnknown: b.with("accept_unknown", "") == "true"}
		if text := b.with("max_loss_bytes", ""); text != "" {
			if g.bytes, err = runbooks.ParseBytes(text); err != nil {
				return nil, b.invalid("max_loss_bytes: %v", err)
			}
		}
		last, err := b.duration("max_loss_time", d.MaxLagTime)
		if err != nil {
			return nil, err
		}
		g.seconds = last.Seconds()
		// A planned move waits for what the standby lacks and loses nothing, so
		// its ceiling only bounds that wait, which depends on the bytes.
		g.planned = !b.start.Ungraceful
		g.raised = !g.planned && (g.bytes > d.MaxLagBytes || last > d.MaxLagTime || g.acceptUnknown)
		for _, p := range b.start.Plan {
			g.approved = g.approved || p.Approvals > 0
		}
		to := regions.ID(b.with("to", string(b.start.To)))
		g.request = request(b, "lag", d.ID, to)
		g.describe = fmt.Sprintf("measure what promoting %s in %s would lose now; go on only if that is at most %s and %v", d.ID, to, inBytes(g.bytes), last)
		if g.planned {
			g.describe = fmt.Sprintf("measure how far %s in %s is behind; go on only if that is at most %s, which it then catches up", d.ID, to, inBytes(g.bytes))
		}
		if g.acceptUnknown {
			g.describe += ", or cannot be known"
		}
		return g, nil
	},
}

// Describe implements [runbooks.Step].
func (g rpo) Describe() string { return g.describe }

// Observe implements [runbooks.Step]: the gate is always measured afresh.
func (g rpo) Observe(context.Context, runbooks.Scope) (runbooks.Seen, error) {
	return runbooks.NotDone, nil
}

// Act implements [runbooks.Step].
func (g rpo) Act(ctx context.Context, sc runbooks.Scope) error {
	r := g.request
	r.Key, r.Epoch = sc.Key, sc.Epoch
	res, err := g.ask.Observe(ctx, g.provider, r)
	if err != nil {
		return fmt.Errorf("measure the lag of %s: %w", g.database, err)
	}
	loss := readLoss(res.Values)
	sc.SetAll(loss.values(g.bytes, g.seconds))
	sc.Note("%s", loss)
	return runbooks.Refuse(g.judge(loss))
}

// judge says why a loss is too much, or nil.
func (g rpo) judge(l loss) error {
	subject := "database " + string(g.database)
	if g.planned {
		return g.judgeBacklog(l)
	}
	switch over := l.over(g.bytes, g.seconds); {
	case g.raised && !g.approved:
		return fault.Deniedf(subject, "the ceiling is raised above what the database allows (%s, or a loss that cannot be known), and nobody is asked to approve it", inBytes(g.bytes)).
			Do("run it with approval=true")
	case l.unknown() && !g.acceptUnknown:
		return fault.Conflictf(subject, "what a promotion would lose cannot be known: %s", l).
			Do("bring the old writer or a measurement back; or run with accept_unknown_loss=true and have that approved")
	case over != "":
		return fault.Conflictf(subject, "a promotion would lose %s, above the ceiling of %s", l, over).
			Do("wait until the standby has caught up; or run with a higher max_loss_bytes or max_loss_time and have that approved")
	}
	return nil
}

// judgeBacklog says why a standby is too far behind for a planned move.
func (g rpo) judgeBacklog(l loss) error {
	subject := "database " + string(g.database)
	switch {
	case l.bytesMax == nil && !g.acceptUnknown:
		return fault.Conflictf(subject, "how far the standby is behind cannot be known: %s", l).Do("see that the old writer and the standby answer")
	case l.bytesMax != nil && *l.bytesMax > g.bytes:
		return fault.Conflictf(subject, "the standby is %s behind, above the limit of %s; writers would wait while it catches up", inBytes(*l.bytesMax), inBytes(g.bytes)).
			Do("wait until it has caught up, or run with a higher max_lag_bytes")
	}
	return nil
}

// Verify implements [runbooks.Step].
func (rpo) Verify(context.Context, runbooks.Scope) error { return nil }

// Rehearse says what would refuse the step now.
func (g rpo) Rehearse(ctx context.Context, sc runbooks.Scope) error { return g.Act(ctx, sc) }

// loss is what a promotion would lose, as far as it is known: ranges, and the
// age of the measurement. Nil is unknown.
type loss struct {
	bytesMin, bytesMax     *int64
	secondsMin, secondsMax *float64
	age                    *float64
	source                 string
}

// readLoss reads what a provider's lag action answers: bytes_min, bytes_max,
// seconds_min, seconds_max, age_seconds and source, each absent if unknown. A
// single number may be given as bytes or seconds.
func readLoss(v map[string]string) loss {
	number := func(names ...string) *float64 {
		for _, n := range names {
			if f, err := strconv.ParseFloat(v[n], 64); err == nil && f >= 0 {
				return &f
			}
		}
		return nil
	}
	whole := func(f *float64) *int64 {
		if f == nil {
			return nil
		}
		n := int64(*f)
		return &n
	}
	return loss{bytesMin: whole(number("bytes_min", "bytes")), bytesMax: whole(number("bytes_max", "bytes")),
		secondsMin: number("seconds_min", "seconds"), secondsMax: number("seconds_max", "seconds"),
		age: number("age_seconds"), source: v["source"]}
}

func (l loss) values(ceilingBytes int64, ceilingSeconds float64) map[string]string {
	v := map[string]string{runbooks.ReceiptValue: l.String(), "source": l.source,
		"ceiling_bytes": strconv.FormatInt(ceilingBytes, 10), "ceiling_seconds": decimal(ceilingSeconds)}
	for name, n := range map[string]*int64{"bytes_min": l.bytesMin, "bytes_max": l.bytesMax} {
		v[name] = "unknown"
		if n != nil {
			v[name] = strconv.FormatInt(*n, 10)
		}
	}
	for name, f := range map[string]*float64{"seconds_min": l.secondsMin, "seconds_max": l.secondsMax, "age_seconds": l.age} {
		v[name] = "unknown"
		if f != nil {
			v[name] = decimal(*f)
		}
	}
	return v
}

// unknown reports whether the most that could be lost is unknown. That no
// byte is missing says enough, whatever the time.
func (l loss) unknown() bool {
	if l.bytesMax != nil && *l.bytesMax == 0 {
		return false
	}
	return l.bytesMax == nil || l.secondsMax == nil
}

// over returns the ceiling that l is above, in words, or "".
func (l loss) over(bytes int64, seconds float64) string {
	var over []string
	if l.bytesMax != nil && *l.bytesMax > bytes {
		over = append(over, inBytes(bytes))
	}
	if l.secondsMax != nil && *l.secondsMax > seconds && (l.bytesMax == nil || *l.bytesMax > 0) {
		over = append(over, decimal(seconds)+" s")
	}
	return strings.Join(over, " and ")
}

// String reads like "0 to 16.0 kB and 0 to 0.8 s of writes, measured 0.2 s
// ago by the old writer".
func (l loss) String() string {
	bytes, seconds := "an unknown number of bytes", "an unknown time"
	switch {
	case l.bytesMin != nil && l.bytesMax != nil && *l.bytesMin != *l.bytesMax:
		bytes = inBytes(*l.bytesMin) + " to " + inBytes(*l.bytesMax)
	case l.bytesMax != nil:
		bytes = "at most " + inBytes(*l.bytesMax)
	}
	switch {
	case l.secondsMin != nil && l.secondsMax != nil && *l.secondsMin != *l.secondsMax:
		seconds = decimal(*l.secondsMin) + " to " + decimal(*l.secondsMax) + " s"
	case l.secondsMax != nil:
		seconds = "at most " + decimal(*l.secondsMax) + " s"
	}
	s := fmt.Sprintf("%s and %s of writes", bytes, seconds)
	switch {
	case l.age != nil && l.source != "":
		s += fmt.Sprintf(", measured %s s ago by %s", decimal(*l.age), l.source)
	case l.source != "": // why it was not measured
		s += ": " + l.source
	}
	return s
}

func decimal(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 3, 64), "0"), ".")
}

func inBytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
