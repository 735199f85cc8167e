package daemon

import (
	"context"
	"errors"
	"time"

	"fairlead/cmd/internal/store"
)

// trailPause is how long after one check of the trail the next one comes.
const trailPause = 24 * time.Hour

// checkTrail walks the audit trail once the store can be read, and then every
// day, until ctx ends: the files in which a store keeps its keys have no
// checksums of their own.
func (n *Node) checkTrail(ctx context.Context) {
	for ctx.Err() == nil {
		pause := trailPause
		_, err := n.store.VerifyChain(ctx)
		_, broken := errors.AsType[*store.BrokenChain](err)
		switch {
		case broken:
			n.log.Error("the audit trail is broken", "problem", err.Error())
			b := &setBack{at: time.Now(), text: err.Error()}
			if before := n.archive.trail.Load(); before != nil {
				b.at = before.at
			}
			n.archive.trail.Store(b)
		case err != nil:
			pause = 5 * time.Second // the store is out of reach
		default:
			n.archive.trail.Store(nil)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
