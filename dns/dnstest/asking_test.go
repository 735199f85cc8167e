package dnstest_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// flavour is the way in which a question is put.
type flavour struct {
	name    string
	edns    bool
	payload uint16
	do      bool
	rd      bool
	stream  bool
}

var (
	modern  = flavour{name: "+bufsize=1232", edns: true, payload: 1232}
	plain   = flavour{name: "+noedns"}
	signed  = flavour{name: "+dnssec +bufsize=1232", edns: true, payload: 1232, do: true}
	small   = flavour{name: "+bufsize=512 +rd", edns: true, payload: 512, rd: true}
	large   = flavour{name: "+bufsize=4096", edns: true, payload: 4096}
	tiny    = flavour{name: "+bufsize=100", edns: true, payload: 100}
	stream  = flavour{name: "+tcp", edns: true, payload: 1232, stream: true}
	streamp = flavour{name: "+tcp +noedns +rd", stream: true, rd: true}
)

// question is one query to all servers.
type question struct {
	zone  int // index into the world's zones, or -1
	name  string
	qtype uint16
	flavour
}

func (q question) String() string {
	return fmt.Sprintf("dig %s %s %s", q.name, mdns.Type(q.qtype), q.flavour.name)
}

// pack makes the query; the id is left to whoever sends it.
func (q question) pack(t *testing.T) []byte {
	t.Helper()
	m := new(mdns.Msg)
	m.Question = []mdns.Question{{Name: q.name, Qtype: q.qtype, Qclass: mdns.ClassINET}}
	m.RecursionDesired = q.rd
	if q.edns {
		m.SetEdns0(q.payload, q.do)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatalf("pack %s: %v", q, err)
	}
	return b
}

const (
	outstanding = 48 // datagrams on their way; few enough for every socket's buffer
	patience    = 2 * time.Second
	attempts    = 4
)

// ask puts all queries to a server and returns the answers in their order; nil
// where there was none.
func (r responder) ask(questions []question, queries [][]byte) ([][]byte, error) {
	answers := make([][]byte, len(queries))
	var datagrams, streams []int
	for i, q := range questions {
		if q.stream {
			streams = append(streams, i)
		} else {
			datagrams = append(datagrams, i)
		}
	}
	for try := 0; try < attempts && len(datagrams) > 0; try++ {
		if err := r.askDatagrams(datagrams, queries, answers); err != nil {
			return nil, err
		}
		lost := datagrams[:0]
		for _, i := range datagrams {
			if answers[i] == nil {
				lost = append(lost, i)
			}
		}
		datagrams = lost
	}
	for len(streams) > 0 {
		n := min(len(streams), 200)
		if err := r.askStream(streams[:n], queries, answers); err != nil {
			return nil, err
		}
		streams = streams[n:]
	}
	return answers, nil
}

// askDatagrams sends from one socket, a few at a time. Ids run round, so no
// two queries on their way have the same.
func (r responder) askDatagrams(which []int, queries, answers [][]byte) error {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.addr))
	if err != nil {
		return err
	}
	defer conn.Close()
	byID := make(map[uint16]int, outstanding)
	buf := make([]byte, 65535)
	for next := 0; next < len(which) || len(byID) > 0; {
		for ; next < len(which) && len(byID) < outstanding; next++ {
			id := uint16(next)
			query := append([]byte(nil), queries[which[next]]...)
			binary.BigEndian.PutUint16(query, id)
			if _, err := conn.Write(query); err != nil {
				return fmt.Errorf("ask %s: %w", r.name, err)
			}
			byID[id] = which[next]
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		n, err := conn.Read(buf)
		if err != nil {
			clear(byID) // lost; the caller asks again
			continue
		}
		if n < 2 {
			continue
		}
		id := binary.BigEndian.Uint16(buf)
		if i, ok := byID[id]; ok {
			answers[i] = append([]byte(nil), buf[:n]...)
			delete(byID, id)
		}
	}
	return nil
}

// askStream sends all queries in one connection and reads the answers in
// whatever order they come.
func (r responder) askStream(which []int, queries, answers [][]byte) error {
	conn, err := net.DialTimeout("tcp", r.addr.String(), patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * patience))
	go func() {
		var out []byte
		for k, i := range which {
			out = binary.BigEndian.AppendUint16(out, uint16(len(queries[i])))
			out = binary.BigEndian.AppendUint16(out, uint16(k))
			out = append(out, queries[i][2:]...)
		}
		conn.Write(out)
	}()
	in := bufio.NewReader(conn)
	for range which {
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return fmt.Errorf("ask %s over TCP: %w", r.name, err)
		}
		answer := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(in, answer); err != nil {
			return fmt.Errorf("ask %s over TCP: %w", r.name, err)
		}
		if k := int(binary.BigEndian.Uint16(answer)); k < len(which) {
			answers[which[k]] = answer
		}
	}
	return nil
}
