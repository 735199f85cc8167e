package replica

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fairlead/regions"
)

// Format is the version of the files. A program refuses higher ones.
const Format = 1

const (
	magic  = "fairlead-decided"
	suffix = ".decided"
)

// Version orders files as it orders decisions.
type Version struct{ Incarnation, Generation uint64 }

// Compare returns a negative number if v is older than other.
func (v Version) Compare(other Version) int {
	switch {
	case v == other:
		return 0
	case v.Incarnation < other.Incarnation, v.Incarnation == other.Incarnation && v.Generation < other.Generation:
		return -1
	}
	return 1
}

// String reads like "generation 42 of incarnation 1".
func (v Version) String() string {
	return fmt.Sprintf("generation %d of incarnation %d", v.Generation, v.Incarnation)
}

func versionOf(d *regions.Decided) Version { return Version{d.Incarnation, d.Generation} }

// name makes file names sort as versions do.
func (v Version) name() string {
	return fmt.Sprintf("%020d-%020d%s", v.Incarnation, v.Generation, suffix)
}

func parseName(path string) (v Version, ok bool) {
	base, ok := strings.CutSuffix(filepath.Base(path), suffix)
	if !ok || len(base) != 41 {
		return v, false
	}
	_, err := fmt.Sscanf(base, "%020d-%020d", &v.Incarnation, &v.Generation)
	return v, err == nil
}

// newerFormat is a file that a later program wrote.
type newerFormat struct{ format int }

func (n newerFormat) Error() string {
	return fmt.Sprintf("format %d, this program knows up to %d", n.format, Format)
}

func encodeFile(d *regions.Decided) ([]byte, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	header := fmt.Sprintf("%s %d incarnation %d generation %d bytes %d sha256 %s\n", magic, Format,
		d.Incarnation, d.Generation, len(body), hex.EncodeToString(sum[:]))
	return slices.Concat([]byte(header), body), nil
}

// decodeFile returns what a file holds. Nothing of it is believed before its
// checksum fits.
func decodeFile(text []byte) (*regions.Decided, error) {
	line, body, ok := bytes.Cut(text, []byte("\n"))
	if !ok || !bytes.HasPrefix(line, []byte(magic+" ")) {
		return nil, fmt.Errorf("its first line is not that of a decided state")
	}
	var format, size int
	var v Version
	var sum string
	if _, err := fmt.Sscanf(string(line), magic+" %d", &format); err != nil {
		return nil, fmt.Errorf("its first line cannot be read: %w", err)
	}
	if format > Format {
		return nil, newerFormat{format}
	}
	if _, err := fmt.Sscanf(string(line), magic+" %d incarnation %d generation %d bytes %d sha256 %s", &format, &v.Incarnation, &v.Generation, &size, &sum); err != nil {
		return nil, fmt.Errorf("its first line cannot be read: %w", err)
	}
	if len(body) != size {
		return nil, fmt.Errorf("it holds %d bytes, not %d", len(body), size)
	}
	if got := sha256.Sum256(body); hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("its checksum does not fit")
	}
	d := new(regions.Decided)
	if err := json.Unmarshal(body, d); err != nil {
		return nil, fmt.Errorf("its content cannot be read: %w", err)
	}
	if versionOf(d) != v {
		return nil, fmt.Errorf("its first line says %s, its content %s", v, versionOf(d))
	}
	return d, nil
}
