package etcd_test

import (
	"context"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
)

// A watch that began after the last change is no reason for another one to be
// thought behind: the server tells the progress of a stream only once all its
// watches have begun, so each has a stream of its own.
func TestAWatchIsNotBehindBecauseAnotherBeganLater(t *testing.T) {
	d, _ := open(t, alone(t.TempDir()))
	ready(t, d)
	watch := func(prefix string) <-chan error {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		began, ended := make(chan struct{}, 1), make(chan error, 1)
		go func() {
			ended <- d.Watch(ctx, store.Prefix(prefix), 0, func(store.Change) { began <- struct{}{} })
		}()
		<-began
		return ended
	}
	early := watch("early/")
	if err := put(t.Context(), d, "elsewhere", "1"); err != nil {
		t.Fatal(err)
	}
	late := watch("late/")
	select {
	case err := <-early:
		t.Errorf("the early watch ended with %v while nothing was wrong", err)
	case err := <-late:
		t.Errorf("the late watch ended with %v while nothing was wrong", err)
	case <-time.After(2 * time.Second): // eight proofs
	}
}
