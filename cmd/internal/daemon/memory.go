package daemon

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"fairlead/regions/judge"
)

// memoryFormat is the version of the memory's file. A higher one is passed
// over: what it says is measured again within seconds.
const memoryFormat = 1

const memoryMagic = "fairlead-memory"

// sealMemory puts a line before a memory that says what the rest must be.
func sealMemory(text []byte) []byte {
	return append(fmt.Appendf(nil, "%s %d sha256 %x\n", memoryMagic, memoryFormat, sha256.Sum256(text)), text...)
}

// parseMemory reads one. Earlier programs wrote none of that line.
func parseMemory(text []byte) (m judge.Memory, err error) {
	if !bytes.HasPrefix(text, []byte("{")) {
		line, body, _ := bytes.Cut(text, []byte("\n"))
		var format int
		var sum string
		if _, err := fmt.Sscanf(string(line), memoryMagic+" %d sha256 %s", &format, &sum); err != nil {
			return m, errors.New("its first line is not that of a memory")
		}
		if format > memoryFormat {
			return m, fmt.Errorf("it was written by a newer version of this program (format %d, this one knows up to %d)", format, memoryFormat)
		}
		if fmt.Sprintf("%x", sha256.Sum256(body)) != sum {
			return m, errors.New("its checksum does not fit")
		}
		text = body
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return judge.Memory{}, err
	}
	return m, nil
}

// CheckMemory says why the memory of a node is not whole, or nil.
func CheckMemory(text []byte) error {
	_, err := parseMemory(text)
	return err
}
