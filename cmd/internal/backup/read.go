package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"fairlead/cmd/internal/store"
	"fairlead/regions/fault"
)

// Content is a whole backup.
type Content struct {
	Header
	ID    string // SHA-256 of all of it
	Bytes int64
	Pairs []store.Pair
}

// Backup returns what a store restores.
func (c *Content) Backup() store.Backup {
	return store.Backup{Summary: c.Summary, ID: c.ID, Taken: c.String(), Pairs: c.Pairs}
}

// String reads like "taken by node-1 at 2026-03-01T12:00:00Z".
func (h Header) String() string {
	return fmt.Sprintf("taken by %s at %s", h.Node, h.Taken.UTC().Format(time.RFC3339))
}

// Read returns a backup that is whole, or says where it is not.
func Read(in io.Reader) (*Content, error) {
	r := reader{in: bufio.NewReaderSize(in, 64<<10), sum: sha256.New()}
	c, err := r.content()
	if err == nil {
		return c, nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return nil, f
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, fault.Invalidf("backup", "it ends at byte %d, in the middle: it was never written to its end, or was cut off", r.offset).
			Do("take another one, or use an older one")
	}
	return nil, fault.Invalidf("backup", "it is damaged at byte %d", r.offset).Because(err).Do("use another copy of it, or an older one")
}

type reader struct {
	in     *bufio.Reader
	sum    hash.Hash
	offset int64 // of the frame that is being read
	frames int
}

func (r *reader) content() (*Content, error) {
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	var format int
	if _, err := fmt.Sscanf(line, magic+" %d\n", &format); err != nil {
		return nil, fault.Invalidf("backup", "its first line is not that of a backup").Do("name a file that fairlead backup wrote; for an encrypted one give --passphrase-file or --identity-file")
	}
	if format > Format {
		return nil, newer(format)
	}
	c := &Content{}
	if err := r.frame(headerFrame, &c.Header); err != nil {
		return nil, err
	}
	if c.Format > Format {
		return nil, newer(c.Format)
	}
	for {
		sum := hex.EncodeToString(r.sum.Sum(nil))
		kind, text, err := r.next()
		if err != nil {
			return nil, err
		}
		switch kind {
		case pairsFrame:
			var pairs []pair
			if err := json.Unmarshal(text, &pairs); err != nil {
				return nil, fmt.Errorf("its keys cannot be read: %w", err)
			}
			for _, p := range pairs {
				c.Pairs = append(c.Pairs, store.Pair{Key: p.Key, Value: p.Value, Created: p.Created, Modified: p.Modified})
			}
		case trailerFrame:
			c.ID, c.Bytes = hex.EncodeToString(r.sum.Sum(nil)), r.offset
			return c, r.end(c, text, sum)
		default:
			return nil, fmt.Errorf("a frame of kind %q is not known", kind)
		}
	}
}

// end compares the trailer with what was read.
func (r *reader) end(c *Content, text []byte, sum string) error {
	var t trailer
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("its trailer cannot be read: %w", err)
	}
	switch {
	case t.Frames != r.frames-1 || t.Keys != len(c.Pairs):
		return fmt.Errorf("its trailer counts %d frames and %d keys, and there are %d and %d", t.Frames, t.Keys, r.frames-1, len(c.Pairs))
	case t.SHA256 != sum:
		return errors.New("its checksum does not fit")
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return err
		}
		return errors.New("something follows its trailer")
	}
	return nil
}

func newer(format int) error {
	return fault.Invalidf("backup", "was written by a newer version of this program (format %d, this one knows up to %d)", format, Format).Do("use that version")
}

// line reads the first line, which is short.
func (r *reader) line() (string, error) {
	var b strings.Builder
	for b.Len() < 64 {
		c, err := r.in.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && b.Len() == 0 {
				return "", fault.Invalidf("backup", "the file is empty").Do("take another one, or use an older one")
			}
			return "", err
		}
		b.WriteByte(c)
		if c == '\n' {
			break
		}
	}
	r.sum.Write([]byte(b.String()))
	r.offset = int64(b.Len())
	return b.String(), nil
}

func (r *reader) frame(kind byte, v any) error {
	got, text, err := r.next()
	if err != nil {
		return err
	}
	if got != kind {
		return fmt.Errorf("a frame of kind %q stands where %q belongs", got, kind)
	}
	return json.Unmarshal(text, v)
}

// next reads a frame. Its content is believed once its checksum fits, and
// memory is taken for what is there and not for what is promised.
func (r *reader) next() (kind byte, text []byte, err error) {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return 0, nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[1:]))
	if size > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes is larger than any", size)
	}
	var b strings.Builder
	b.Write(head)
	if n, err := io.CopyN(&b, r.in, size+frameTail); err != nil {
		if errors.Is(err, io.EOF) && n < size+frameTail {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	all := []byte(b.String())
	body := all[:frameHead+size]
	if binary.BigEndian.Uint32(all[len(body):]) != checksum(r.offset, body) {
		return 0, nil, errors.New("its checksum does not fit")
	}
	r.sum.Write(all)
	r.offset += int64(len(all))
	r.frames++
	return head[0], body[frameHead:], nil
}
