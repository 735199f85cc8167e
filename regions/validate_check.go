package regions

import (
	"slices"
	"strings"
	"time"
)

// check holds a check to its bounds. kinds are those that make sense where it
// stands.
func (v *validator) check(path, subject string, c Check, kinds ...CheckKind) {
	if !slices.Contains(kinds, c.Kind) {
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = string(k)
		}
		v.add(path+".kind", subject, "%q is not a kind of check here", c.Kind).Do("use %s", strings.Join(names, ", "))
	}
	span := func(field string, d, lowest, highest time.Duration) {
		if d < lowest || d > highest {
			v.add(path+"."+field, subject, "%v is out of bounds", d).Do("use %v to %v", lowest, highest)
		}
	}
	span("interval", c.Interval, MinInterval, MaxInterval)
	span("timeout", c.Timeout, minTimeout, MaxTimeout)
	if c.Jitter < 0 || c.Jitter > c.Interval {
		v.add(path+".jitter", subject, "%v does not fit into an interval of %v", c.Jitter, c.Interval).Do("use 0s to the interval; a tenth of it is good")
	}
	if c.Interval >= MinInterval && c.Timeout > MaxInFlight*c.Interval {
		v.add(path+".timeout", subject, "%v is more than %d intervals, and no more checks than that run at once", c.Timeout, MaxInFlight).
			Do("use at most %v, or a longer interval", MaxInFlight*c.Interval)
	}
	count := func(field string, n int) {
		if n < 1 || n > MaxInARow {
			v.add(path+"."+field, subject, "%d is out of bounds", n).Do("use 1 to %d", MaxInARow)
		}
	}
	count("rise", c.Rise)
	count("fall", c.Fall)
	if c.Kind == HTTP || c.Kind == HTTPS {
		v.httpCheck(path+".http", subject, c.HTTP)
	}
}

func (v *validator) httpCheck(path, subject string, h HTTPCheck) {
	if h.Path != "" && !strings.HasPrefix(h.Path, "/") {
		v.add(path+".path", subject, "%q is not a path", h.Path).Do("begin it with a slash")
	}
	if strings.ContainsAny(h.Path, " \r\n\t") {
		v.add(path+".path", subject, "%q contains white space", h.Path).Do("write %%20 for a space")
	}
	if strings.ContainsAny(h.Host, " /\r\n\t") {
		v.add(path+".host", subject, "%q is not a host name", h.Host).Do("write a name alone, without scheme and path")
	}
	if len(h.Contains) > MaxContains {
		v.add(path+".contains", subject, "is longer than the %d bytes of a body that are looked at", MaxContains).Do("use a short text")
	}
	lowest, highest := h.StatusBounds()
	if lowest < 100 || highest > 599 || lowest > highest {
		v.add(path+".status_min", subject, "%d to %d is no range of status codes", lowest, highest).Do("use 100 to 599, the smaller one first")
	}
}

// StatusBounds returns the status codes that count as success: those asked
// for, or 200 to 399. A redirect is an answer; it is not followed.
func (h HTTPCheck) StatusBounds() (lowest, highest int) {
	lowest, highest = h.StatusMin, h.StatusMax
	switch {
	case lowest == 0 && highest == 0:
		return 200, 399
	case lowest == 0:
		lowest = min(200, highest)
	case highest == 0:
		highest = max(399, lowest)
	}
	return lowest, highest
}
