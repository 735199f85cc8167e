package zone

import "bytes"

// entry is one logical line of a zone file: a record or a directive with its
// line breaks inside parentheses. Knowing them apart gives every record its
// line, and lets the parser go on after a mistake.
type entry struct {
	start, end int // bytes; end is behind the line break
	line       int // where it starts
	content    int // the line of its first byte that is neither blank nor comment
	broken     bool
}

// split divides text into entries. What is never closed is reported here, at
// the place where it was opened, because a parser can only say that the file
// ended too early.
func split(text []byte, r *report) []entry {
	var (
		entries = make([]entry, 0, bytes.Count(text, []byte("\n"))+1)
		cur     = entry{line: 1}

		line, lineStart       = 1, 0
		quoted, comment, esc  bool
		parens                int
		openLine, openColumn  int
		quoteLine, quoteColum int
	)
	finish := func(end int) {
		cur.end = end
		if cur.content == 0 {
			cur.content = cur.line
		}
		if rtype, yes := bare(text[cur.start:end]); yes && !cur.broken {
			r.add(cur.content, 1, "write the data behind the type", "this %s record has no data", rtype)
			cur.broken = true
		}
		entries = append(entries, cur)
		cur = entry{start: end, line: line}
	}
	for i, c := range text {
		if c == '\n' {
			if quoted {
				r.add(quoteLine, quoteColum, `put a closing " on the same line`, "this quotation mark is never closed")
				cur.broken, quoted = true, false
			}
			comment, esc = false, false
			line, lineStart = line+1, i+1
			if parens == 0 {
				finish(i + 1)
			}
			continue
		}
		if comment {
			continue
		}
		column := i - lineStart + 1
		if cur.content == 0 && c != ' ' && c != '\t' && c != '\r' && c != ';' {
			cur.content = line
		}
		switch {
		case esc:
			esc = false
		case c == '\\':
			esc = true
		case c == '"':
			quoted = !quoted
			quoteLine, quoteColum = line, column
		case quoted:
		case c == ';':
			comment = true
		case c == '(':
			if parens == 0 {
				openLine, openColumn = line, column
			}
			parens++
		case c == ')' && parens == 0:
			r.add(line, column, "remove it, or open one before it", "this ) closes nothing")
			cur.broken = true
		case c == ')':
			parens--
		}
	}
	if quoted {
		r.add(quoteLine, quoteColum, `put a closing " on the same line`, "this quotation mark is never closed")
		cur.broken = true
	}
	if parens > 0 {
		r.add(openLine, openColumn, "put a ) where the record ends", "this ( is never closed")
		cur.broken = true
	}
	if cur.start < len(text) {
		finish(len(text))
	}
	return entries
}
