package etcd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fairlead/regions/fault"
)

const memberDir = "member" // etcd's own, in Dir

// prepare makes Dir ready for the way in which the member is to begin.
func (s *Settings) prepare() error {
	member := filepath.Join(s.Dir, memberDir)
	_, err := os.Stat(member)
	absent := errors.Is(err, fs.ErrNotExist)
	switch {
	case s.Begin == Forced && absent:
		return fault.Invalidf("store", "%s holds nothing of a member that could go on alone", s.Dir).
			Do("recover from the replica instead: fairlead recovery propose --from replica")
	case s.Begin == Anew && !absent:
		aside := filepath.Join(s.Dir, fmt.Sprintf("member-before-%d", time.Now().Unix()))
		if err := os.Rename(member, aside); err != nil {
			return fault.Deniedf("store", "%s cannot be moved away", member).Because(err).Do("move it away yourself, and start again")
		}
		s.Log.Warn("store of before moved away", "to", aside)
	}
	return nil
}
