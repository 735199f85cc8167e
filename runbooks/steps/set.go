package steps

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"
)

// Set is the kinds of steps, wired to the outside.
type Set struct {
	out   Outside
	kinds map[string]kind
}

// kind is a kind of step and who carries it out.
type kind struct {
	runbooks.Kind
	build func(b binding) (runbooks.Step, error)
}

// New wires the kinds of steps to the outside.
func New(out Outside) *Set {
	s := &Set{out: out, kinds: map[string]kind{}}
	for _, k := range append(s.own(), s.postgres()...) {
		s.kinds[k.Name] = k
	}
	return s
}

// Kinds returns what must be known to read runbooks that use these kinds. It
// is the same for every Set.
func (s *Set) Kinds() runbooks.Kinds {
	kinds := runbooks.Kinds{}
	for name, k := range s.kinds {
		kinds[name] = k.Kind
	}
	return kinds
}

// Kinds returns what must be known to read runbooks, for those who only read.
func Kinds() runbooks.Kinds { return New(Outside{}).Kinds() }

// Step makes the step that a resolved spec asks for.
func (s *Set) Step(spec runbooks.Spec, start *runbooks.Start) (runbooks.Step, error) {
	k, ok := s.kinds[spec.Kind]
	if !ok {
		return nil, fault.Invalidf("step "+string(spec.ID), "%q is no kind of step", spec.Kind)
	}
	return k.build(binding{kind: k.Kind, spec: spec, start: start, fleet: s.fleet(), out: s.out})
}

func (s *Set) fleet() *regions.Fleet {
	if s.out.World != nil {
		if f := s.out.World.Fleet(); f != nil {
			return f
		}
	}
	return &regions.Fleet{}
}

func (s *Set) own() []kind {
	return []kind{approveKind, rpoKind, repointKind, drainKind, shiftKind, restoreKind, awaitKind, verifyKind, commandKind}
}

// binding is one step as it is to be built: what was written, in which run,
// in which fleet.
type binding struct {
	kind  runbooks.Kind
	spec  runbooks.Spec
	start *runbooks.Start
	fleet *regions.Fleet
	out   Outside
}

func (b binding) with(name, fallback string) string {
	if v := b.spec.With[name]; v != "" {
		return v
	}
	return fallback
}

// params are all that was written, without references that no step has
// answered yet.
func (b binding) params() map[string]string {
	params := maps.Clone(b.spec.With)
	if params == nil {
		params = map[string]string{}
	}
	for name, value := range params {
		if value == "" {
			delete(params, name)
		}
	}
	return params
}

func (b binding) duration(name string, fallback time.Duration) (time.Duration, error) {
	text := b.with(name, "")
	if text == "" {
		return fallback, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, b.invalid("%s is %q, which is no duration", name, text)
	}
	return d, nil
}

func (b binding) invalid(format string, args ...any) error {
	return fault.Invalidf(b.subject(), format, args...)
}

func (b binding) subject() string {
	if b.spec.ID == "" {
		return b.spec.Kind
	}
	return fmt.Sprintf("step %s", b.spec.ID)
}

// database returns the database that the step is about.
func (b binding) database() (regions.Database, error) {
	id := regions.DatabaseID(b.with("database", string(b.start.Database)))
	if d, ok := b.fleet.Database(id); ok {
		return d, nil
	}
	var known []string
	for _, d := range b.fleet.Databases {
		known = append(known, string(d.ID))
	}
	if len(known) == 0 {
		return regions.Database{}, fault.NotFoundf("database "+string(id), "is not in the fleet, which has none").Do("add it to the configuration")
	}
	return regions.Database{}, fault.NotFoundf("database "+string(id), "is not in the fleet").Do("use one of %s", strings.Join(known, ", "))
}

// ttl returns the longest that any answer which follows the database's writer
// may be cached.
func (b binding) ttl(database regions.DatabaseID) time.Duration {
	var longest time.Duration
	for _, s := range b.fleet.Services {
		if pinned, ok := s.Pinned(); ok && pinned == database {
			longest = max(longest, s.TTL)
		}
	}
	return longest
}

func (b binding) names(database regions.DatabaseID) string {
	var names []string
	for _, s := range b.fleet.Services {
		if pinned, ok := s.Pinned(); ok && pinned == database {
			names = append(names, strings.TrimSuffix(string(s.Name), "."))
		}
	}
	if len(names) == 0 {
		return "no name"
	}
	return strings.Join(names, ", ")
}
