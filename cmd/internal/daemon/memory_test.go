package daemon_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"fairlead/cmd/internal/daemon"
)

func TestAMemoryIsBelievedWholeOrNotAtAll(t *testing.T) {
	body := `{"later":true}`
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
	tests := []struct{ name, text, says string }{
		{"of this program, with a field of a later one", "fairlead-memory 1 sha256 " + sum + "\n" + body, ""},
		{"of a program before there was a checksum", body, ""},
		{"one byte differs", "fairlead-memory 1 sha256 " + sum + "\n" + strings.Replace(body, "t", "T", 1), "checksum"},
		{"of a newer format", "fairlead-memory 2 sha256 " + sum + "\n" + body, "newer version"},
		{"half of one", "fairlead-memory 1 sha", "first line"},
		{"empty", "", "first line"},
	}
	for _, tt := range tests {
		err := daemon.CheckMemory([]byte(tt.text))
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}
