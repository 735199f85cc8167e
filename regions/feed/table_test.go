package feed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"fairlead/regions"
	"fairlead/regions/health"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func sample() Table {
	return Table{
		Node: "n1", Region: "us-east", Boot: 7, Sequence: 42, Incarnation: 1, Generation: 99, Interval: 200 * time.Millisecond,
		Reports: map[uint64]health.Report{
			regions.TargetID("www@us-east").Hash():    {State: regions.Up, Latency: 12 * time.Millisecond, Since: noon.Add(-time.Hour), Last: noon.Add(-300 * time.Millisecond)},
			regions.TargetID("www@eu-central").Hash(): {State: regions.Down, Reason: "connection refused", Since: noon.Add(-time.Second), Last: noon},
			regions.TargetID("www@ap-south").Hash():   {Since: noon},
		},
		Epochs: []regions.SignedEpoch{
			{Database: "orders", Epoch: regions.Epoch{Incarnation: 1, Number: 3, Writer: "us-east"}, Signature: bytes.Repeat([]byte{9}, 72), Chain: [][]byte{bytes.Repeat([]byte{1}, 900), bytes.Repeat([]byte{2}, 700)}},
			{Database: "stock", Epoch: regions.Epoch{Incarnation: 1, Number: 1, Writer: "eu-central"}, Signature: []byte{}},
		},
	}
}

func encode(t testing.TB, table Table) []byte {
	t.Helper()
	b, err := table.Append(nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestATableArrivesAsItWasSent(t *testing.T) {
	b := encode(t, sample())
	if want := headerBytes + 3*rowBytes + 2*epochBytes + 4; len(b) != want {
		t.Errorf("%d bytes, want %d", len(b), want)
	}
	got, rest, err := Decode(append(b, "next"...), noon)
	if err != nil {
		t.Fatal(err)
	}
	if string(rest) != "next" {
		t.Errorf("rest %q", rest)
	}
	if !reflect.DeepEqual(got, sample()) {
		t.Errorf("got  %+v\nwant %+v", got, sample())
	}
}

func TestAgesTravelAndClocksDoNot(t *testing.T) {
	elsewhere := noon.Add(-1000 * time.Hour)
	got, _, err := Decode(encode(t, sample()), elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	r := got.Reports[regions.TargetID("www@us-east").Hash()]
	if age := elsewhere.Sub(r.Last); age != 300*time.Millisecond {
		t.Errorf("checked %v ago, want 300ms", age)
	}
	if since := elsewhere.Sub(r.Since); since != time.Hour {
		t.Errorf("up for %v, want 1h", since)
	}
	if r := got.Reports[regions.TargetID("www@ap-south").Hash()]; !r.Last.IsZero() {
		t.Errorf("never checked, and yet %v", r.Last)
	}
}

func TestALaterVersionWithWiderPartsIsRead(t *testing.T) {
	b := encode(t, sample())
	const more = 16
	var wide []byte
	wide = append(wide, b[:headerBytes]...)
	wide = append(wide, make([]byte, more)...)
	at := headerBytes
	for range 3 {
		wide = append(append(wide, b[at:at+rowBytes]...), make([]byte, more)...)
		at += rowBytes
	}
	for range 2 {
		wide = append(append(wide, b[at:at+epochBytes]...), make([]byte, more)...)
		at += epochBytes
	}
	binary.BigEndian.PutUint16(wide[4:], version+1)
	binary.BigEndian.PutUint16(wide[6:], headerBytes+more)
	binary.BigEndian.PutUint16(wide[8:], rowBytes+more)
	binary.BigEndian.PutUint16(wide[10:], epochBytes+more)
	wide = binary.BigEndian.AppendUint32(wide, crc32.Checksum(wide, castagnoli))
	got, _, err := Decode(wide, noon)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sample()) {
		t.Errorf("got  %+v\nwant %+v", got, sample())
	}
}

func TestHostileTablesAreRefused(t *testing.T) {
	good := encode(t, sample())
	resum := func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
		return b
	}
	firstEpoch := headerBytes + 3*rowBytes
	tests := []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"nothing", func([]byte) []byte { return nil }, errShort},
		{"something else", func([]byte) []byte { return []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }, errMagic},
		{"a flipped bit", func(b []byte) []byte { b[300] ^= 1; return b }, errSum},
		{"the end missing", func(b []byte) []byte { return b[:len(b)-1] }, errShort},
		{"four thousand million rows", func(b []byte) []byte { binary.BigEndian.PutUint32(b[12:], 1<<32-1); return b }, errLarge},
		{"too many epochs", func(b []byte) []byte { binary.BigEndian.PutUint32(b[16:], MaxEpochs+1); return b }, errLarge},
		{"rows without width", func(b []byte) []byte { binary.BigEndian.PutUint16(b[8:], 0); return b }, errWidth},
		{"a signature beyond its slot", func(b []byte) []byte {
			binary.BigEndian.PutUint16(b[firstEpoch+16+2*textBytes:], maxSignature+1)
			return resum(b)
		}, errEpoch},
		{"certificates beyond their slot", func(b []byte) []byte {
			binary.BigEndian.PutUint16(b[firstEpoch+16+2*textBytes+2+maxSignature+2:], maxCertificates+1)
			return resum(b)
		}, errEpoch},
		{"more certificates than a chain has", func(b []byte) []byte {
			binary.BigEndian.PutUint16(b[firstEpoch+16+2*textBytes+2+maxSignature:], maxChain+1)
			return resum(b)
		}, errEpoch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _, err := Decode(tt.change(bytes.Clone(good)), noon); !errors.Is(err, tt.want) {
				t.Errorf("error %v, table %+v; want %v", err, got, tt.want)
			}
		})
	}
}

func TestTextsFromThePeerAreHarmless(t *testing.T) {
	table := sample()
	table.Reports = map[uint64]health.Report{1: {State: regions.Down, Reason: "\x1b[31m" + strings.Repeat("ä", 40), Since: noon, Last: noon}}
	got, _, err := Decode(encode(t, table), noon)
	if err != nil {
		t.Fatal(err)
	}
	if r := got.Reports[1].Reason; strings.ContainsRune(r, 0x1b) || len(r) > reasonBytes || !strings.HasSuffix(r, "ä") {
		t.Errorf("reason %q", r)
	}
	b := encode(t, table)
	b[headerBytes+8] = 200
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
	if got, _, _ := Decode(b, noon); got.Reports[1].State != regions.Unknown {
		t.Errorf("a state from the future reads %v, want unknown", got.Reports[1].State)
	}
}

func TestAnEpochThatDoesNotFitIsRefusedByTheSender(t *testing.T) {
	for _, e := range []regions.SignedEpoch{
		{Database: regions.DatabaseID(strings.Repeat("x", 65))},
		{Signature: make([]byte, maxSignature+1)},
		{Chain: [][]byte{make([]byte, maxCertificates), {1}}},
		{Chain: make([][]byte, maxChain+1)},
	} {
		table := Table{Epochs: []regions.SignedEpoch{e}}
		if b, err := table.Append([]byte("kept"), noon); err == nil || string(b) != "kept" {
			t.Errorf("%d bytes were appended, error %v", len(b), err)
		}
	}
}

func TestReadingGrowsOnlyWithWhatArrives(t *testing.T) {
	b := encode(t, sample())
	binary.BigEndian.PutUint32(b[12:], MaxRows) // announces 16 MB
	_, buf, err := read(bytes.NewReader(b), nil, func() time.Time { return noon })
	if !errors.Is(err, io.ErrUnexpectedEOF) || cap(buf) > 4<<20 {
		t.Errorf("error %v, %d bytes held", err, cap(buf))
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := (&Table{Node: "n", Reports: map[uint64]health.Report{1: {State: regions.Up}}}).Append(nil, noon)
	f.Add(b)
	s := sample()
	b, _ = s.Append(nil, noon)
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) >= 4 { // most changes would fail at the sum, and teach nothing
			if fr, err := readFrame(in); err == nil && len(in) >= fr.size() {
				sum := fr.size() - 4
				binary.BigEndian.PutUint32(in[sum:], crc32.Checksum(in[:sum], castagnoli))
			}
		}
		table, rest, err := Decode(in, noon)
		if err != nil {
			return
		}
		if len(rest) > len(in) {
			t.Fatal("more is left than there was")
		}
		again, err := table.Append(nil, noon)
		if err != nil {
			t.Fatalf("what was read cannot be sent: %v", err)
		}
		back, _, err := Decode(again, noon)
		if err != nil || !reflect.DeepEqual(back, table) {
			t.Fatalf("%v\nread  %+v\nagain %+v", err, table, back)
		}
	})
}

func bigTable() Table {
	t := sample()
	t.Reports = map[uint64]health.Report{}
	for i := range 30_000 {
		t.Reports[regions.TargetID(fmt.Sprintf("s%d@us", i)).Hash()] = health.Report{State: regions.Up, Latency: time.Millisecond, Since: noon, Last: noon}
	}
	return t
}

func BenchmarkEncode30000Rows(b *testing.B) {
	t := bigTable()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = t.Append(buf[:0], noon)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecode30000Rows(b *testing.B) {
	buf := encode(b, bigTable())
	b.ReportAllocs()
	for b.Loop() {
		Decode(buf, noon)
	}
	b.SetBytes(int64(len(buf)))
}
