package inspect

import (
	"encoding/binary"
	"fmt"
	"os"
)

// wholeSize says so if a bbolt file is shorter than its newer meta page says.
// It is asked first: who reads a mapped page that is not there gets a signal
// and not an error.
func wholeSize(path string) error {
	text, err := os.Open(path)
	if err != nil {
		return err
	}
	defer text.Close()
	info, err := text.Stat()
	if err != nil {
		return err
	}
	var newest, needs uint64
	page := uint64(os.Getpagesize())
	for i := range int64(2) {
		b := make([]byte, 72) // the page's header of 16 bytes, then the meta: see bbolt
		if _, err := text.ReadAt(b, i*int64(page)); err != nil {
			return fmt.Errorf("it is cut off before its first pages end: %w", err)
		}
		size, pages, tx := uint64(binary.NativeEndian.Uint32(b[24:])), binary.NativeEndian.Uint64(b[56:]), binary.NativeEndian.Uint64(b[64:])
		if tx >= newest && size == page {
			newest, needs = tx, pages*size
		}
	}
	if uint64(info.Size()) < needs {
		return fmt.Errorf("it holds %d bytes, and says itself that %d are in use: its end is missing", info.Size(), needs)
	}
	return nil
}
