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

// seal puts a line before a file that says what the rest must be.
func seal(magic string, format int, text []byte) []byte {
	return append(fmt.Appendf(nil, "%s %d sha256 %x\n", magic, format, sha256.Sum256(text)), text...)
}

// unseal returns the rest if it is that. Earlier programs wrote none of that
// line.
func unseal(magic string, newest int, text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("{")) {
		return text, nil
	}
	line, body, _ := bytes.Cut(text, []byte("\n"))
	var format int
	var sum string
	if _, err := fmt.Sscanf(string(line), magic+" %d sha256 %s", &format, &sum); err != nil {
		return nil, fmt.Errorf("its first line is not that of a %s", magic)
	}
	if format > newest {
		return nil, fmt.Errorf("it was written by a newer version of this program (format %d, this one knows up to %d)", format, newest)
	}
	if fmt.Sprintf("%x", sha256.Sum256(body)) != sum {
		return nil, errors.New("its checksum does not fit")
	}
	return body, nil
}

// parseMemory reads one.
func parseMemory(text []byte) (m judge.Memory, err error) {
	if text, err = unseal(memoryMagic, memoryFormat, text); err != nil {
		return m, err
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
