package observe

import (
	"bytes"
	"testing"
)

func TestEndOfLog(t *testing.T) {
	const dump = `rmgr: Heap        len (rec/tot):     71/    71, tx:        741, lsn: 0/03000148, prev 0/03000110, desc: INSERT off 1 flags 0x00, blkref #0: rel 1663/16388/16389 blk 0
rmgr: Transaction len (rec/tot):     34/    34, tx:        741, lsn: 0/03000190, prev 0/03000148, desc: COMMIT 2026-11-23 10:00:00 UTC
`
	tests := []struct {
		name, dump string
		from, want LSN
	}{
		{"the last record's end, at a multiple of eight", dump, 0x3000148, 0x30001b8},
		{"nothing after the place means it ends there", "", 0x3000148, 0x3000148},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := endOf(bytes.NewBufferString(tt.dump), tt.from); err != nil || got != tt.want {
				t.Errorf("endOf = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
	if got := LSN(1<<32 | 0xa0).String(); got != "1/A0" {
		t.Errorf("String = %s, want 1/A0", got)
	}
}
