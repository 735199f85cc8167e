package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fairlead/api/openapi"
)

// show prints a document: as it came for programs, in words for people.
func show[T any](cmd *cobra.Command, v T, words func(*page, T)) error {
	if wantsJSON(cmd) {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	p := newPage(cmd.OutOrStdout())
	words(p, v)
	return p.err
}

// count is a number of things, in words: "1 zone", "2 zones".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// page is where words for people go. What is shown by a colour is shown by a
// shape or a word as well.
type page struct {
	w      io.Writer
	colour bool
	err    error
}

func newPage(w io.Writer) *page {
	return &page{w: w, colour: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (p *page) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); err != nil && p.err == nil {
		p.err = err
	}
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
	bold   = "1"
)

func (p *page) paint(code, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// state is a shape, a colour and a word.
func (p *page) state(s openapi.State) string {
	switch s {
	case openapi.StateUp:
		return p.paint(green, "● up")
	case openapi.StateDegraded:
		return p.paint(yellow, "◐ degraded")
	case openapi.StateDown:
		return p.paint(red, "✖ down")
	}
	return p.paint(dim, "? "+string(s))
}

// table is rows under a head, each column as wide as it must be.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (p *page) table(t *table) {
	if len(t.rows) == 0 {
		return
	}
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], visible(cell))
		}
	}
	p.row(widths, t.head, dim)
	for _, row := range t.rows {
		p.row(widths, row, "")
	}
}

func (p *page) row(widths []int, cells []string, code string) {
	var b strings.Builder
	for i, cell := range cells {
		text := cell
		if code != "" {
			text = p.paint(code, cell)
		}
		b.WriteString(text)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-visible(cell)+2))
		}
	}
	p.line("%s", strings.TrimRight(b.String(), " "))
}

// visible is how many columns a cell takes, without its colours.
func visible(cell string) int {
	n := utf8.RuneCountInString(cell)
	for {
		_, rest, found := strings.Cut(cell, "\x1b[")
		if !found {
			return n
		}
		code, after, _ := strings.Cut(rest, "m")
		n -= utf8.RuneCountInString(code) + 3
		cell = after
	}
}

// age is how long ago something was, by the clock that saw both.
func age(then, now time.Time) string {
	if then.IsZero() || then.Year() < 2000 {
		return "-"
	}
	return length(now.Sub(then))
}

// length is a duration in the unit that a person would say it in.
func length(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

func milliseconds(ms *int64) string {
	if ms == nil {
		return "-"
	}
	return length(time.Duration(*ms) * time.Millisecond)
}

// size is a number of bytes in the unit that a person would say it in.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 4 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[prefix])
}

// clock is an instant for people: in UTC, as all of Fairlead writes it.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
