package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"fairlead/regions"
	"fairlead/regions/fault"
)

const (
	chunkBytes = 512 << 10
	maxChunks  = 60
)

// ApplyFleet puts a configuration's fleet in force and returns the
// generation. Changed is false if it is in force already. A database that is
// seen for the first time gets its first epoch, with the writer that the
// fleet names; that of any other is never looked at. A fleet that takes away
// what a writer or a run needs is a Conflict.
func (s *Store) ApplyFleet(ctx context.Context, lease Lease, by, why string, fleet *regions.Fleet, contentHash string) (generation uint64, changed bool, err error) {
	if fleet == nil || contentHash == "" || by == "" {
		return 0, false, fault.Invalidf("fleet", "needs content, its hash and an author")
	}
	blob, chunks, err := pack(fleet)
	if err != nil {
		return 0, false, err
	}
	done, err := s.decide(ctx, lease, func(ctx context.Context) (*decision, error) {
		touch, old, err := s.touch(ctx)
		if err != nil {
			return nil, err
		}
		if old.Content == contentHash {
			generation = uint64(touch.Modified)
			return &decision{Nothing: true}, nil
		}
		if err := s.retains(ctx, fleet); err != nil {
			return nil, err
		}
		keys, err := s.keysChange(ctx, old, fleet)
		if err != nil {
			return nil, err
		}
		if err := s.upload(ctx, blob, chunks); err != nil {
			return nil, err
		}
		next := head{Content: contentHash, Blob: blob, Chunks: len(chunks), By: by, Before: old.Blob, BeforeChunks: old.Chunks}
		if next.Before == blob {
			next.Before, next.BeforeChunks = old.Before, old.BeforeChunks
		}
		touch.Value = encode(next)
		d := &decision{
			Entry: Entry{Principal: by, Act: "fleet.apply", Subject: "fleet", Why: why, DataHash: blob,
				Sentence: fmt.Sprintf("%s put a configuration in force: %d regions, %d services, %d databases, %d zones",
					by, len(fleet.Regions), len(fleet.Services), len(fleet.Databases), len(fleet.Zones)) + keys},
			Put:    []Pair{touch, {Key: appliedKey(contentHash), Value: encode(by)}},
			Delete: next.obsolete(old),
		}
		firsts, err := s.firstEpochs(ctx, fleet)
		if err != nil {
			return nil, err
		}
		d.Put = append(d.Put, firsts...)
		return d, nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("apply the fleet: %w", err)
	}
	if done.Number == 0 {
		return generation, false, nil
	}
	return uint64(done.Revision), true, nil
}

// AppliedBefore reports whether a configuration of that content has ever been
// in force, so that a node that restarts with an old file does not bring it
// back.
func (s *Store) AppliedBefore(ctx context.Context, contentHash string) (bool, error) {
	_, ok, err := s.get(ctx, appliedKey(contentHash))
	if err != nil {
		return false, fmt.Errorf("ask whether a configuration was in force before: %w", err)
	}
	return ok, nil
}

// obsolete returns the chunks that nobody can be reading any more.
func (h head) obsolete(old head) []string {
	var keys []string
	if old.Before != "" && old.Before != h.Blob && old.Before != h.Before {
		for n := range old.BeforeChunks {
			keys = append(keys, chunkKey(old.Before, n))
		}
	}
	return keys
}

// firstEpochs returns the epochs of databases that have none.
func (s *Store) firstEpochs(ctx context.Context, fleet *regions.Fleet) ([]Pair, error) {
	var puts []Pair
	var incarnation uint64
	if _, err := s.load(ctx, incarnationKey, &incarnation); err != nil {
		return nil, err
	}
	for _, db := range fleet.Databases {
		_, known, err := s.get(ctx, writerKey(db.ID))
		if err != nil {
			return nil, err
		}
		if known {
			continue
		}
		signed, err := s.sign(db.ID, s.firstEpoch(db, incarnation))
		if err != nil {
			return nil, err
		}
		puts = append(puts, Pair{Key: writerKey(db.ID), Value: encode(signed)})
	}
	return puts, nil
}

func (s *Store) sign(db regions.DatabaseID, e regions.Epoch) (regions.SignedEpoch, error) {
	if s.set.Signer == nil {
		return regions.SignedEpoch{}, fault.Deniedf("node "+s.set.Node, "may not decide who writes %s, it has no key to sign that", db)
	}
	signed, err := s.set.Signer.SignEpoch(db, e)
	if err != nil {
		return signed, fmt.Errorf("sign the epoch of %s: %w", db, err)
	}
	return signed, nil
}

// upload writes the chunks that are not there. They mean nothing before the
// head names them.
func (s *Store) upload(ctx context.Context, blob string, chunks [][]byte) error {
	for n, chunk := range chunks {
		key := chunkKey(blob, n)
		out, err := s.kv.Commit(ctx, Txn{If: []Compare{Absent(key)}, Put: []Pair{{Key: key, Value: chunk}}})
		if err != nil {
			return fmt.Errorf("store part %d of %d of the fleet: %w", n+1, len(chunks), err)
		}
		_ = out // there already: the key names the content
	}
	return nil
}

// pack makes chunks of a fleet, named by the hash of their content: two
// programs that compress differently do not mix their chunks.
func pack(fleet *regions.Fleet) (blob string, chunks [][]byte, err error) {
	text, err := json.Marshal(fleet)
	if err != nil {
		return "", nil, fault.New(fault.Internal, "fleet", "cannot be encoded").Because(err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return "", nil, err
	}
	if err := z.Close(); err != nil {
		return "", nil, err
	}
	blob = digest(b.Bytes())
	for b.Len() > 0 {
		chunks = append(chunks, bytes.Clone(b.Next(chunkBytes)))
	}
	if len(chunks) > maxChunks {
		return "", nil, fault.Invalidf("fleet", "is too large for the store: %d MiB compressed, at most %d", len(chunks)*chunkBytes>>20, maxChunks*chunkBytes>>20).
			Do("serve large zones from their own files on another server")
	}
	return blob, chunks, nil
}

// fleetCache keeps the newest fleets, so that a change of an override does
// not read megabytes.
type fleetCache struct {
	mu    sync.Mutex
	blobs [2]string
	held  [2]*regions.Fleet
}

func (c *fleetCache) get(ctx context.Context, s *Store, h head) (*regions.Fleet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, blob := range c.blobs {
		if blob == h.Blob {
			return c.held[i], nil
		}
	}
	page, err := s.kv.Range(ctx, Query{Span: Prefix(chunksOf(h.Blob))})
	if err != nil {
		return nil, fmt.Errorf("read the fleet: %w", err)
	}
	if len(page.Pairs) != h.Chunks {
		return nil, fault.Unavailablef("fleet", "it has just been replaced").Do("look again")
	}
	var b bytes.Buffer
	for _, p := range page.Pairs {
		b.Write(p.Value)
	}
	fleet, err := unpack(&b, h.Blob)
	if err != nil {
		return nil, fault.New(fault.Internal, "fleet", "what the store holds of it is damaged").Because(err).
			Do("apply the configuration again, changed or not; nodes go on with the fleet they have")
	}
	c.blobs, c.held = [2]string{h.Blob, c.blobs[0]}, [2]*regions.Fleet{fleet, c.held[0]}
	return fleet, nil
}

func unpack(b *bytes.Buffer, blob string) (*regions.Fleet, error) {
	if got := digest(b.Bytes()); got != blob {
		return nil, fmt.Errorf("its hash is %s, not %s", got, blob)
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	fleet := new(regions.Fleet)
	return fleet, json.Unmarshal(text, fleet)
}
