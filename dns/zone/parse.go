package zone

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	mdns "github.com/miekg/dns"
)

// maxGenerated bounds what $GENERATE lines may make of a short file.
const maxGenerated = 1_000_000

// restartTTL stands in for the default TTL when reading goes on behind a
// mistake; no record read then is ever served.
const restartTTL = 3600

// Parse reads a zone's text. The file's name is used in sentences only. The
// error is a [Problems] with everything that is wrong.
func Parse(origin, file string, text []byte) (*Zone, error) {
	r := &report{file: file}
	apex, err := Wire(origin)
	if err != nil || strings.ContainsAny(origin, " \t\"();") {
		r.add(1, 1, "name the zone like example.com", "the origin %q is not a domain name", origin)
		return nil, r.err()
	}
	z := &Zone{Origin: mdns.CanonicalName(origin), Apex: apex, File: file, Hash: hash(mdns.CanonicalName(origin), text)}
	z.Records = records(z.Origin, text, r)
	if err := r.err(); err != nil {
		return nil, err // what is missing or doubled cannot be judged in half a zone
	}
	check(z, r)
	if err := r.err(); err != nil {
		return nil, err
	}
	return z, nil
}

// records reads all records that can be read and reports what cannot.
func records(origin string, text []byte, r *report) []Record {
	src := &source{text: text, entries: split(text, r), origin: origin}
	if r.more > 0 || len(r.found) == maxProblems {
		return nil
	}
	all := make([]Record, 0, len(src.entries))
	generated := 0
	var name, owner string // of the record before
	for first := true; src.next(); first = false {
		from := src.entries[src.at].line
		zp := mdns.NewZoneParser(src, src.origin, "")
		if !first {
			zp.SetDefaultTTL(restartTTL)
		}
		for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
			e := src.current()
			var err error
			if n := rr.Header().Name; n != name || owner == "" {
				name = n
				owner, err = Wire(n)
			}
			rr.Header().Name = name // one string for all records of a name
			switch {
			case rr.Header().Name == "" && first:
				r.add(e.content, 1, "begin the line with the record's name, or with @ for the zone itself",
					"this record has no owner: it begins with a blank and no record comes before it")
			case err != nil:
				r.add(e.content, 1, "", "the owner %q is not a domain name", rr.Header().Name)
			}
			all = append(all, Record{rr, owner, e.content})
			if src.directive("$GENERATE") {
				if generated++; generated > maxGenerated {
					r.add(e.content, 1, "write fewer", "the $GENERATE lines make more than %d records", maxGenerated)
					return all
				}
			}
		}
		if err := zp.Err(); err != nil {
			src.explain(err, from, r)
		}
	}
	return all
}

// source hands a zone file to the parser byte by byte and knows to which entry
// the last byte belonged. It pretends to end before a broken entry.
type source struct {
	text    []byte
	entries []entry
	origin  string // as of the current entry
	at      int    // the entry that is being read
	pos     int
	ended   bool // the parser was told that the file ends
	begun   bool
}

// next moves to the first sound entry that was not read yet, if there is one.
func (s *source) next() bool {
	if s.begun && s.at < len(s.entries) {
		s.leave() // whether or not the parser read any of it, or it would be asked for ever
	}
	s.begun = true
	for s.at < len(s.entries) && s.entries[s.at].broken {
		s.leave()
	}
	s.ended = false
	if s.at < len(s.entries) {
		s.pos = s.entries[s.at].start
	}
	return s.at < len(s.entries)
}

// leave goes to the next entry, minding an $ORIGIN on the way.
func (s *source) leave() {
	if s.directive("$ORIGIN") {
		e := s.entries[s.at]
		if f := bytes.Fields(s.text[e.start:e.end]); len(f) > 1 {
			name := string(f[1])
			if !mdns.IsFqdn(name) {
				name += "." + strings.TrimPrefix(s.origin, ".")
			}
			if _, ok := mdns.IsDomainName(name); ok {
				s.origin = name
			}
		}
	}
	s.at++
}

func (s *source) current() entry { return s.entries[min(s.at, len(s.entries)-1)] }

// directive reports whether the current entry is the named directive.
func (s *source) directive(name string) bool {
	e := s.current()
	return e.end-e.start > len(name) && strings.EqualFold(string(s.text[e.start:e.start+len(name)]), name)
}

// ReadByte implements [io.ByteReader], through which the parser reads without
// reading ahead.
func (s *source) ReadByte() (byte, error) {
	if s.ended || s.at >= len(s.entries) {
		return 0, io.EOF
	}
	if s.pos >= s.entries[s.at].end {
		last := s.at+1 == len(s.entries)
		if last || s.entries[s.at+1].broken {
			s.ended = true
			if s.text[s.pos-1] != '\n' {
				return '\n', nil // the parser wants every line closed
			}
			return 0, io.EOF
		}
		s.leave()
	}
	c := s.text[s.pos]
	s.pos++
	return c, nil
}

// Read implements [io.Reader]; the parser prefers ReadByte.
func (s *source) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c, err := s.ReadByte()
		if err != nil {
			return n, err
		}
		p[n] = c
		n++
	}
	return n, nil
}

// explain turns the parser's error into a sentence with its place. The parser
// counts lines from where it was started.
func (s *source) explain(err error, from int, r *report) {
	e := s.current()
	text, token, line, column := dissect(err)
	line += from - 1
	if line < e.line || line > e.line+bytes.Count(s.text[e.start:e.end], []byte("\n")) || s.directive("$GENERATE") {
		line, column = e.content, 1
	}
	column = s.locate(line, column-len(token), token) // the parser points behind the token
	what, remedy := sentence(text)
	if token != "" && token != "\n" && token != " " {
		what += ": " + strconv.QuoteToASCII(token)
	}
	r.add(line, column, remedy, "%s", what)
}

// locate corrects a column by what stands there: the parser counts a line
// break as part of a token and a blank not.
func (s *source) locate(line, column int, token string) int {
	e := s.current()
	text := s.text[e.start:e.end]
	for range line - e.line {
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	for _, c := range []int{column, column + 1, column - 1} {
		if c >= 1 && c <= len(text) && bytes.HasPrefix(text[c-1:], []byte(token)) {
			return c
		}
	}
	return column
}

// dissect takes "dns: TEXT: "TOKEN" at line: LINE:COLUMN" apart; the parser
// offers these only in its words.
func dissect(err error) (text, token string, line, column int) {
	text = strings.TrimPrefix(err.Error(), "dns: ")
	if i := strings.LastIndex(text, " at line: "); i >= 0 {
		l, c, _ := strings.Cut(text[i+len(" at line: "):], ":")
		line, _ = strconv.Atoi(l)
		column, _ = strconv.Atoi(c)
		text = text[:i]
	}
	if i := strings.Index(text, `: "`); i >= 0 {
		if t, err := strconv.Unquote(text[i+2:]); err == nil {
			token, text = t, text[:i]
		}
	}
	return text, token, line, column
}

// sentence says in plain words what the parser means.
func sentence(text string) (what, remedy string) {
	switch {
	case strings.Contains(text, "$INCLUDE"):
		return "$INCLUDE is not supported", "put the records into this file"
	case text == "missing TTL with no previous value":
		return "this record has no TTL and none is set before it", "begin the file with a line like $TTL 300"
	case text == "not a TTL", text == "expecting $TTL value, not this...":
		return "this is neither a TTL, a class nor a record type", "write a TTL as seconds or like 1h30m; check the spelling of the type"
	case text == "unknown RR type", strings.HasPrefix(text, "expecting RR type"):
		return "this is no known record type", "check the spelling, or write it as TYPE65280 with \\# data"
	case text == "bad owner name", text == "bad origin name":
		return "this is not a domain name", "use labels of 1 to 63 bytes, 255 bytes in all"
	case strings.HasPrefix(text, "garbage after"):
		return "there is something behind the end of the record", "remove it, or put it behind a ;"
	case text == "unbalanced brace":
		return "a ( is never closed", "put a ) where the record ends"
	case strings.HasPrefix(text, "bad "):
		if fields := strings.Fields(text); len(fields) > 1 {
			return "the data of this " + fields[1] + " record cannot be read (" + text + ")", "check the record's data"
		}
	}
	return "this cannot be read (" + text + ")", ""
}
