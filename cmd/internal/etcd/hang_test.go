package etcd_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/storetest"
	"fairlead/regions/fault"
)

// A member whose disk fails in the middle of a transaction keeps its locks for
// ever. Who called it is answered in time all the same.
func TestNoCallWaitsForAMemberThatHasDied(t *testing.T) {
	dir := storetest.SmallDisk(t, "160m")
	d, _ := open(t, alone(dir))
	ready(t, d)
	storetest.FillDisk(t, dir)
	within := func(what string, f func(context.Context) error) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- f(ctx) }()
		select {
		case err := <-done:
			return err
		case <-time.After(11 * time.Second):
			t.Errorf("%s has not returned %v after its time was over", what, 10*time.Second)
			return context.DeadlineExceeded
		}
	}
	read := func(ctx context.Context) error {
		_, err := d.Range(ctx, store.Query{Span: store.Key("a")})
		return err
	}
	full := make(chan struct{})
	var readers sync.WaitGroup
	for range 8 { // somebody always reads
		readers.Go(func() {
			for {
				select {
				case <-full:
					return
				default:
					within("a read", read)
				}
			}
		})
	}
	for i := 0; ; i++ {
		err := within("a transaction", func(ctx context.Context) error {
			key := fmt.Sprint("k", i) // a deletion is brought to the disk at once
			if err := put(ctx, d, key, "1"); err != nil {
				return err
			}
			_, err := d.Commit(ctx, store.Txn{Delete: []string{key}})
			return err
		})
		if err != nil {
			sentence(t, err, fault.Unavailable)
			break
		}
		if i == 10_000 {
			t.Fatal("a full disk takes 10000 transactions")
		}
	}
	close(full)
	readers.Wait()
	if err := within("a read", read); err != nil {
		sentence(t, err, fault.Unavailable)
	}
}
