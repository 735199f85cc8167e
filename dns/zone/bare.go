package zone

import (
	"strings"

	mdns "github.com/miekg/dns"
)

// bare reports whether an entry is a record without data, and of which type.
// The parser takes such a one for a part of a dynamic update.
func bare(text []byte) (rtype string, yes bool) {
	named := len(text) > 0 && text[0] != ' ' && text[0] != '\t'
	word, rest := nextWord(text)
	switch {
	case len(word) == 0 || word[0] == '$':
		return "", false
	case named:
		word, rest = nextWord(rest)
	}
	for ; len(word) > 0; word, rest = nextWord(rest) {
		if word[0] >= '0' && word[0] <= '9' || strings.EqualFold(string(word), "IN") {
			continue // a TTL or the class
		}
		rtype = strings.ToUpper(string(word))
		t, known := mdns.StringToType[rtype]
		if !known && !strings.HasPrefix(rtype, "TYPE") {
			return "", false // the parser knows what to say
		}
		more, _ := nextWord(rest)
		return rtype, len(more) == 0 && t != mdns.TypeAPL
	}
	return "", false
}

// nextWord returns the first word of an entry, without blanks, comments and
// parentheses before it. In a quoted text it stops at the first blank, which
// is enough to tell something from nothing.
func nextWord(text []byte) (word, rest []byte) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case ' ', '\t', '\r', '\n', '(', ')':
		case ';':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		default:
			end := i
			for end < len(text) && !strings.ContainsRune(" \t\r\n();", rune(text[end])) {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end, len(text))
			return text[i:end], text[end:]
		}
	}
	return nil, nil
}
