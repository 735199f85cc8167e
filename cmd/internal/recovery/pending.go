package recovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead/cmd/internal/disk"
	"fairlead/regions"
	"fairlead/regions/fault"
)

// Dir is where, in a node's data directory, an order waits to be carried out.
const Dir = "recovery"

func pendingFile(data string) string { return filepath.Join(data, Dir, "order.json") }

// Place puts an order that was verified where the node finds it when it
// starts.
func Place(data string, o Order) error {
	path := pendingFile(data)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = disk.Replace(path, o.Format(), 0o600)
	}
	if err != nil {
		return fault.Deniedf("recovery order", "cannot be put into %s", filepath.Dir(path)).Because(err).Do("run this as the node's user, and give its disk room")
	}
	return nil
}

// Pending returns the order that waits, if a node of that name that knows d
// may carry it out, and who signed it; nil if none waits. One that may not is
// put aside, and why is the error.
func Pending(data, node string, d *regions.Decided) (*Order, []string, error) {
	text, err := os.ReadFile(pendingFile(data))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the recovery order that waits: %w", err)
	}
	o, err := ParseOrder(text)
	var people []string
	if err == nil {
		people, err = o.Verify(d, node)
	}
	if err != nil {
		return nil, nil, errors.Join(err, Settle(data, "refused"))
	}
	return &o, people, nil
}

// Settle puts the order that waited aside: it is not carried out again.
func Settle(data, how string) error {
	path := pendingFile(data)
	for n := 1; ; n++ {
		aside := filepath.Join(filepath.Dir(path), fmt.Sprintf("%s-%d.json", how, n))
		if _, err := os.Lstat(aside); err == nil {
			continue
		}
		if err := os.Rename(path, aside); err != nil {
			return fmt.Errorf("put the recovery order aside: %w", err)
		}
		return disk.Sync(filepath.Dir(path))
	}
}

// Record returns the order as the record keeps it.
func (o Order) Record() json.RawMessage {
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", o, err)) // of our own types, which can be
	}
	return text
}

// Record returns the bundle as the record keeps it.
func (b Bundle) Record() json.RawMessage {
	text, err := json.Marshal(b)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", b, err))
	}
	return text
}
