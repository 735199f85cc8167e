package replica_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fairlead/cmd/internal/replica"
)

// A later minor version may add fields to what it keeps. A node that is set
// back to this one starts with the copy all the same.
func TestFieldsOfALaterProgramAreReadOver(t *testing.T) {
	r, dir := open(t)
	body := `{"incarnation":1,"generation":7,"fleet":{"Regions":[],"moons":["europa"]},"fleet_hash":"content","weather":{"wind":3}}`
	text := fmt.Sprintf("fairlead-decided 1 incarnation 1 generation 7 bytes %d sha256 %x\n%s", len(body), sha256.Sum256([]byte(body)), body)
	path := filepath.Join(dir, "00000000000000000001-00000000000000000007.decided")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, corrupt := load(t, r); d == nil || d.Generation != 7 || corrupt != nil {
		t.Errorf("loaded %+v, %v; want generation 7", d, corrupt)
	}
	if err := replica.Check(path); err != nil {
		t.Error(err)
	}
}
