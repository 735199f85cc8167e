//go:build linux

package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"time"

	"fairlead/cmd/internal/etcd"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/linear"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// memberVariable holds the settings of a member that this program is to be,
// instead of the tests.
const memberVariable = "FAIRLEAD_LAB_MEMBER"

// memberSettings say which member, and where it is asked: a socket in the file
// system reaches across networks, so no cut of the test hinders who asks.
type memberSettings struct {
	Etcd   etcd.Settings
	Socket string
}

const orders regions.DatabaseID = "orders"

// beMember runs a member of the store until the process is ended.
func beMember(text string) error {
	var s memberSettings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	d, err := etcd.New(s.Etcd)
	if err != nil {
		return err
	}
	m := &member{store: store.New(d, store.Settings{Node: s.Etcd.Name, Signer: unsigned{}})}
	m.decider = linear.Through(m.store, orders)
	server := rpc.NewServer()
	if err := server.RegisterName("Member", m); err != nil {
		return err
	}
	l, err := net.Listen("unix", s.Socket)
	if err != nil {
		return err
	}
	go server.Accept(l)
	return d.Run(context.Background())
}

// unsigned signs nothing for real.
type unsigned struct{}

func (unsigned) SignEpoch(d regions.DatabaseID, e regions.Epoch) (regions.SignedEpoch, error) {
	return regions.SignedEpoch{Database: d, Epoch: e}, nil
}

// member answers what a [linear.Decider] asks, for one in another process.
type member struct {
	store   *store.Store
	decider linear.Decider
}

// Told is what came of a question. What kind of fault it was does not survive
// the way as an error.
type Told struct {
	Seen  linear.Seen
	Wrong string
	Kind  fault.Kind
}

func tell(to *Told, seen linear.Seen, err error) error {
	to.Seen = seen
	if err != nil {
		to.Wrong, to.Kind = err.Error(), fault.Of(err)
	}
	return nil
}

// within is how long a member tries, longer than anybody waits for it.
func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

// Begin puts a fleet in force.
func (m *member) Begin(_ int, to *Told) error {
	ctx, cancel := within()
	defer cancel()
	both := []regions.Member{{Region: "us-east"}, {Region: "eu-central"}}
	fleet := &regions.Fleet{Regions: []regions.Region{{ID: "us-east"}, {ID: "eu-central"}},
		Databases: []regions.Database{{ID: orders, Engine: "postgres", Writer: "us-east", Members: both}}}
	_, _, err := m.store.ApplyFleet(ctx, store.Lease{}, "alice", "why", fleet, "one")
	return tell(to, linear.Seen{}, err)
}

// Verify walks the trail.
func (m *member) Verify(_ int, to *Told) error {
	ctx, cancel := within()
	defer cancel()
	_, err := m.store.VerifyChain(ctx)
	return tell(to, linear.Seen{}, err)
}

// Act does what somebody asks for.
func (m *member) Act(act linear.Act, to *Told) error {
	ctx, cancel := within()
	defer cancel()
	switch act.Verb {
	case linear.Drain:
		return tell(to, linear.Seen{}, m.decider.Drain(ctx, act.Region, act.ID))
	case linear.End:
		return tell(to, linear.Seen{}, m.decider.End(ctx, act.ID))
	case linear.Advance:
		return tell(to, linear.Seen{}, m.decider.Advance(ctx, act.From, act.To))
	}
	seen, err := m.decider.Read(ctx)
	return tell(to, seen, err)
}

// remote is a decider in another process.
type remote struct{ client *rpc.Client }

func (r remote) ask(ctx context.Context, method string, question any) (linear.Seen, error) {
	var told Told
	call := r.client.Go("Member."+method, question, &told, make(chan *rpc.Call, 1))
	select {
	case <-ctx.Done():
		return linear.Seen{}, ctx.Err()
	case <-call.Done:
	}
	switch {
	case call.Error != nil:
		return linear.Seen{}, fault.Unavailablef("member", "does not answer").Because(call.Error)
	case told.Wrong != "":
		return linear.Seen{}, &fault.Error{Kind: told.Kind, Subject: "member", Problem: told.Wrong}
	}
	return told.Seen, nil
}

func (r remote) act(ctx context.Context, act linear.Act) (linear.Seen, error) {
	return r.ask(ctx, "Act", act)
}

func (r remote) Drain(ctx context.Context, region regions.ID, id string) error {
	_, err := r.act(ctx, linear.Act{Verb: linear.Drain, Region: region, ID: id})
	return err
}

func (r remote) End(ctx context.Context, id string) error {
	_, err := r.act(ctx, linear.Act{Verb: linear.End, ID: id})
	return err
}

func (r remote) Advance(ctx context.Context, from, to regions.Epoch) error {
	_, err := r.act(ctx, linear.Act{Verb: linear.Advance, From: from, To: to})
	return err
}

func (r remote) Read(ctx context.Context) (linear.Seen, error) {
	return r.act(ctx, linear.Act{Verb: linear.Read})
}

// memberInstead is what this program does instead of testing, if it is told to be a
// member.
func memberInstead() {
	if text := os.Getenv(memberVariable); text != "" {
		err := beMember(text)
		fmt.Fprintln(os.Stderr, errors.Join(err, errors.New("the member has ended")))
		os.Exit(1)
	}
}
