package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"fairlead/regions"
)

// LSN is a position in the write-ahead log, in bytes from its beginning.
type LSN uint64

// ParseLSN reads PostgreSQL's notation, such as "0/16B3748".
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("%q is no WAL location", text)
	}
	return LSN(h<<32 | l), nil
}

// String is the inverse of [ParseLSN].
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// Minus returns how many bytes l is ahead of other, and 0 if it is not.
func (l LSN) Minus(other LSN) int64 {
	if l <= other {
		return 0
	}
	return int64(l - other)
}

// SlotName is the replication slot that a region's server uses on whichever
// server it follows. Slot names allow no hyphens.
func SlotName(region regions.ID) string {
	return "fairlead_" + strings.ReplaceAll(string(region), "-", "_")
}
