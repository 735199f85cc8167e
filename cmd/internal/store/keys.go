package store

import (
	"fmt"
	"net/url"
	"strings"

	"fairlead/regions"
	"fairlead/runbooks"
)

// Where things lie. What is below now/ is small and watched by every node;
// the rest is read when asked for.
const (
	formatKey = "format"

	now            = "now/"
	chainHeadKey   = now + "chain"
	headKey        = now + "decided/head" // written with each change of the decided state: its revision is the generation
	incarnationKey = now + "decided/incarnation"
	clusterKey     = now + "decided/cluster"
	freezeKey      = now + "decided/freeze"
	glassEndKey    = now + "decided/glass_end"
	overridesAt    = now + "decided/override/"
	writersAt      = now + "decided/writer/"
	restoredAt     = now + "decided/restored/"
	runsAt         = now + "run/"

	chainAt   = "chain/"
	fleetAt   = "fleet/"
	appliedAt = "applied/"
	journalAt = "journal/"
	locksAt   = "lock/database/"
	tokensAt  = "token/"
	leadersAt = "lead/"

	recoveredAt = "recovered/" // orders that were carried out, by nonce
	glassAt     = "glass/"     // break-glass bundles that were entered, by identifier

	originKey    = "origin"    // which backup the store was begun from, if from one
	restoringKey = "restoring" // exists while a backup is being written into the store
)

// escape keeps a name from being more than one element of a key.
func escape(name string) string { return strings.ReplaceAll(url.PathEscape(name), "\xff", "") }

func chainKey(number uint64) string            { return fmt.Sprintf("%s%020d", chainAt, number) }
func overrideKey(id string) string             { return overridesAt + escape(id) }
func writerKey(d regions.DatabaseID) string    { return writersAt + escape(string(d)) }
func restoredKey(r regions.ID) string          { return restoredAt + escape(string(r)) }
func runKey(id runbooks.ExecutionID) string    { return runsAt + escape(string(id)) }
func journalOf(id runbooks.ExecutionID) string { return journalAt + escape(string(id)) + "/" }
func lockKey(d regions.DatabaseID) string      { return locksAt + escape(string(d)) }
func tokenKey(id string) string                { return tokensAt + escape(id) }
func appliedKey(contentHash string) string     { return appliedAt + escape(contentHash) }
func chunksOf(hash string) string              { return fleetAt + hash + "/" }
func chunkKey(hash string, n int) string       { return fmt.Sprintf("%s%03d", chunksOf(hash), n) }
func journalKey(id runbooks.ExecutionID, at runbooks.Position) string {
	return fmt.Sprintf("%s%06d", journalOf(id), at)
}
