package zone_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"fairlead/dns/zone"
	"fairlead/regions/fault"
)

const head = "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n" // four lines

func TestParseNamesEveryProblemWithItsPlace(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // each a whole problem, or its beginning
	}{
		{"a bad address", head + "www A 192.0.2.300\n",
			[]string{`f:5:7: the data of this A record cannot be read (bad A A): "192.0.2.300" (check the record's data)`}},
		{"several at once, in order", head + "a A 1.2.3\nb A 192.0.2.1\nc FOO bar\nd MX x mail\n",
			[]string{"f:5:5: ", "f:7:3: this is neither a TTL, a class nor a record type: \"FOO\"", "f:8:6: "}},
		{"inside parentheses, the line of the mistake", head + "t TXT ( \"a\"\n  \"b\" )\nm MX (\n 10\n )\n", []string{"f:9:"}},
		{"a ( that is never closed", head + "t TXT ( \"a\"\nb A 192.0.2.1\n", []string{"f:5:7: this ( is never closed (put a ) where the record ends)"}},
		{"a ) too many", head + "t TXT \"a\" )\n", []string{"f:5:11: this ) closes nothing"}},
		{"a quotation mark that is never closed", head + "t TXT \"a\nb A 192.0.2.1\nc A 1.2.3\n",
			[]string{"f:5:7: this quotation mark is never closed", "f:7:5: "}},
		{"no TTL anywhere", "@ SOA ns1 hostmaster 1 7200 900 1209600 60\n",
			[]string{"f:1:3: this record has no TTL and none is set before it: \"SOA\" (begin the file with a line like $TTL 300)"}},
		{"no SOA and no NS", "$TTL 300\nwww A 192.0.2.1\n",
			[]string{"f:1:1: the zone example.com. has no SOA record", "f:1:1: the zone example.com. has no NS record"}},
		{"an empty file", "", []string{"f:1:1: the zone example.com. has no SOA", "f:1:1: the zone example.com. has no NS"}},
		{"a second SOA", head + "@ SOA ns1 hostmaster 2 7200 900 1209600 60\n",
			[]string{"f:5:1: example.com. has a second SOA record, the first is in line 2 (keep one)"}},
		{"a SOA below the apex", head + "sub SOA ns1 hostmaster 2 7200 900 1209600 60\n", []string{"f:5:1: a SOA record belongs to example.com. only"}},
		{"a CNAME beside other data", head + "www A 192.0.2.1\nwww CNAME ns1\n",
			[]string{"f:6:1: www.example.com. has a CNAME record (line 6) and A data (line 5) (a CNAME record stands alone"}},
		{"two CNAMEs", head + "www CNAME ns1\nwww CNAME ns2\n", []string{"f:6:1: www.example.com. has a second CNAME record, the first is in line 5"}},
		{"a CNAME at the apex", head + "@ CNAME www.example.org.\n", []string{"f:5:1: ", "f:5:1: "}},
		{"another class", head + "www CH A 192.0.2.1\n", []string{"f:5:1: the class CH is not served"}},
		{"no data", head + "www A\n", []string{"f:5:1: this A record has no data"}},
		{"no data, where numbers would be zero", head + "a MX\nb SRV\nc NAPTR\nd DNAME\n", []string{"f:5:1: this MX record has no data",
			"f:6:1: this SRV record has no data", "f:7:1: this NAPTR record has no data", "f:8:1: this DNAME record has no data"}},
		{"a SOA without data", "$TTL 300\n@ SOA\n@ NS ns1\n", []string{"f:2:1: this SOA record has no data"}},
		{"something behind the data", head + "www A 192.0.2.1 192.0.2.2\n", []string{"f:5:"}},
		{"$INCLUDE", head + "$INCLUDE /etc/passwd\n", []string{"f:5:"}},
		{"a blank owner at the start", "$TTL 300\n  A 192.0.2.1\n", []string{"f:2:1: this record has no owner"}},
		{"an empty label", head + "a..b A 192.0.2.1\n", []string{`f:5:1: this is not a domain name: "a..b"`}},
		{"a label too long", head + strings.Repeat("x", 64) + " A 192.0.2.1\n", []string{"f:5:1: this is not a domain name"}},
		{"a record that only questions have", head + "www TYPE255 \\# 0\n", []string{"f:5:1: a record of type ANY exists in questions only"}},
		{"something below a DNAME", head + "old DNAME new\na.b.old A 192.0.2.1\n",
			[]string{"f:6:1: a.b.old.example.com. is below the DNAME record of old.example.com. (line 5)"}},
		{"bad $GENERATE", head + "$GENERATE 1-x host$ A 192.0.2.$\n", []string{"f:5:1: "}},
		{"$GENERATE of bad records", head + "$GENERATE 250-260 host$ A 192.0.2.$\nx A 1.2.3\n", []string{"f:5:1: ", "f:6:5: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := zone.Parse("example.com", "f", []byte(tt.text))
			var got zone.Problems
			errors.As(err, &got)
			for i := range max(len(got), len(tt.want)) {
				if i >= len(got) || i >= len(tt.want) || !strings.HasPrefix(got[i].Error(), tt.want[i]) {
					t.Fatalf("Parse:\n%s\ngot problems:\n%v\nwant:\n%s", tt.text, err, strings.Join(tt.want, "\n"))
				}
			}
		})
	}
}

func TestParseWarnsOfWhatIsServedAllTheSame(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"a record of another zone", head + "www.example.org. A 192.0.2.1\n", []string{"f:5:1: www.example.org. is outside the zone example.com. and is not served (remove it, or load it as its own zone)"}},
		{"a name that only ends alike", head + "www.badexample.com. A 192.0.2.1\n", []string{"f:5:1: www.badexample.com. is outside the zone"}},
		{"a TTL too large", head + "www 2147483648 A 192.0.2.1\n", []string{"f:5:1: the TTL 2147483648 is larger than 2147483647"}},
		{"a delegation and a DNAME", head + "old DNAME new\nold NS ns1\n", []string{"f:6:1: old.example.com. is both delegated (line 6) and redirected"}},
		{"a wildcard delegation", head + "* NS ns1\n", []string{"f:5:1: a NS record of a wildcard means something else to every resolver"}},
		{"a server that is an alias", head + "sub NS al\nal CNAME ns1\n", []string{"f:5:1: the server al.example.com. is an alias (line 6)"}},
		{"a wildcard DNAME", head + "* DNAME ns1\n", []string{"f:5:1: a DNAME record of a wildcard means something else to every resolver"}},
		{"nothing", head, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			z, err := zone.Parse("example.com", "f", []byte(tt.text))
			if err != nil {
				t.Fatalf("Parse:\n%s\n= %v, want a zone with a warning", tt.text, err)
			}
			for i := range max(len(z.Warnings), len(tt.want)) {
				if i >= len(z.Warnings) || i >= len(tt.want) || !strings.HasPrefix(z.Warnings[i].Error(), tt.want[i]) {
					t.Fatalf("Parse:\n%s\ngot warnings:\n%v\nwant:\n%s", tt.text, z.Warnings, strings.Join(tt.want, "\n"))
				}
			}
			for _, r := range z.Records {
				if !zone.Within(r.Owner, z.Apex) {
					t.Errorf("the zone holds %v, which is outside", r.RR)
				}
			}
		})
	}
}

func TestParseFindsTheErrorInLine900(t *testing.T) {
	var b strings.Builder
	b.WriteString(head)
	for i := 5; i < 900; i++ {
		fmt.Fprintf(&b, "h%d A 192.0.2.1\n", i)
	}
	b.WriteString("broken AAAA 2001:db8::zz\nfine A 192.0.2.1\n")
	_, err := zone.Parse("example.com.", "big.zone", []byte(b.String()))
	if err == nil || !strings.HasPrefix(err.Error(), "big.zone:900:13: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Parse with a mistake in line 900 = %v, want one problem at big.zone:900:13", err)
	}
}

func TestParseBoundsItsReport(t *testing.T) {
	_, err := zone.Parse("example.com", "f", []byte(strings.Repeat("this is not a zone\n", 500)))
	var got zone.Problems
	if !errors.As(err, &got) || len(got) != 21 || !strings.Contains(got[20].Text, "more problems") {
		t.Errorf("Parse of 500 bad lines reports %d problems, want 20 and a summary:\n%v", len(got), err)
	}
}

func TestParseAcceptsWhatZonesHold(t *testing.T) {
	text := "; a comment\n\n$ORIGIN example.com.\n$TTL 1h\n" +
		"@ IN SOA ns1 host\\.master ( 2026112301 ; serial (not a paren)\n\t7200 900 ; \"no quote\n\t1209600 300 )\n" +
		"\tNS ns1\nns1 A 192.0.2.53\r\n" +
		"$ORIGIN sub.example.com.\nwww 60 IN A 192.0.2.1\n@ IN 60 TXT \"semi;colon\" \"(paren\" \"back\\\"slash\"\n" +
		"$GENERATE 1-3 host$ A 192.0.2.$\n" +
		"caa CAA 0 issue \"ca.example.net\"\nsrv SRV 1 2 3 www\nh HTTPS 1 . alpn=h2\nu TYPE65280 \\# 2 abcd\nend TXT last-line-unterminated"
	z, err := zone.Parse("EXAMPLE.com", "f", []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if z.Origin != "example.com." || len(z.Records) != 13 || z.SOA().Serial != 2026112301 {
		t.Errorf("Parse = origin %s, %d records, serial %d; want example.com., 13, 2026112301", z.Origin, len(z.Records), z.SOA().Serial)
	}
	if r := z.Records[3]; r.RR.Header().Name != "www.sub.example.com." || r.Line != 11 {
		t.Errorf("fourth record = %v in line %d, want www.sub in line 11", r.RR, r.Line)
	}
}

func TestWriteToIsReadBackTheSame(t *testing.T) {
	z, err := zone.Parse("example.com", "f", []byte(head+"b A 192.0.2.1\na.b TXT \"x;y\" \"q\\\"\"\nB A 192.0.2.2\n* MX 5 ns1\nodd TYPE65280 \\# 2 abcd\n"))
	if err != nil {
		t.Fatal(err)
	}
	var first, second strings.Builder
	if _, err := z.WriteTo(&first); err != nil {
		t.Fatal(err)
	}
	again, err := zone.Parse("example.com", "g", []byte(first.String()))
	if err != nil {
		t.Fatalf("Parse of what WriteTo wrote: %v\n%s", err, first.String())
	}
	if _, err := again.WriteTo(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() || len(again.Records) != len(z.Records) {
		t.Errorf("WriteTo, Parse, WriteTo: got\n%s\nwant\n%s", second.String(), first.String())
	}
}

func TestLoadSaysWhichFileIsMissing(t *testing.T) {
	_, err := zone.Load("example.com", "/does/not/exist.zone")
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "/does/not/exist.zone") {
		t.Errorf("Load of a missing file = %v, want a NotFound that names it", err)
	}
}

func TestParseFlag(t *testing.T) {
	for _, bad := range []string{"", "example.com", "=file", "example.com="} {
		if _, _, err := zone.ParseFlag(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("ParseFlag(%q) = %v, want an Invalid fault", bad, err)
		}
	}
	if origin, path, err := zone.ParseFlag("example.com=a=b"); origin != "example.com" || path != "a=b" || err != nil {
		t.Errorf("ParseFlag = %q, %q, %v", origin, path, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(head)
	f.Add(head + "t TXT ( \"a\n b\" ) ; c\n$ORIGIN x\n\tA 1.2.3.4\n$GENERATE 1-2 h$ A 192.0.2.$\n")
	f.Add("$ORIGIN .\n( @ \\# ) \"\" ;\n\\")
	f.Add(head + "x HTTPS 1 . alpn=h2\ny TYPE1 \\# 4 01020304\nz LOC 1 2 3 N 4 5 6 E 7m\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(strings.ToUpper(text), "$GENERATE") > 1 {
			return // legal, bounded, and slow
		}
		z, err := zone.Parse("example.com", "f", []byte(text))
		if err != nil {
			var ps zone.Problems
			if !errors.As(err, &ps) {
				t.Fatalf("Parse(%q) = %v, want problems with places", text, err)
			}
			lines := strings.Count(text, "\n") + 1
			for _, p := range ps {
				if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Text == "" {
					t.Errorf("Parse(%q): problem %v is outside the %d lines", text, p, lines)
				}
			}
			return
		}
		if z.SOA() == nil {
			t.Errorf("Parse(%q) gave a zone without a SOA", text)
		}
	})
}
