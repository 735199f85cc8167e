package report

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the report for people: figures with their units, then every
// promise as a sentence, the broken ones last, where the eye ends up.
func (r *Report) Print(w io.Writer) {
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	row := func(what, value string) { line("  %-58s %s", what, value) }

	line("")
	line("A region's shops killed (%s)", r.Kill.Name)
	row("first answer elsewhere after", ms(r.Kill.FirstNewAnswerMS))
	row("last answer naming the dead region after", ms(r.Kill.LastStaleMS)+fmt.Sprintf("   (bound %s)", ms(r.Kill.BoundMS)))
	row(fmt.Sprintf("95 %% / 99 %% of its %d users served again after", r.Kill.UsersAffected), ms(r.Kill.Users95MS)+" / "+ms(r.Kill.Users99MS))
	row(fmt.Sprintf("   of those who honour the TTL of %s", ms(r.Kill.TTLMS)), ms(r.Kill.Honest95MS)+" / "+ms(r.Kill.Honest99MS))
	row("DNS questions / unanswered", fmt.Sprintf("%d / %d", r.Kill.DNSQueries, r.Kill.DNSUnanswered))

	line("")
	line("Planned switchover under %d orders a second", r.Switchover.OrdersPerSecond)
	row("acknowledged orders lost / of unknown fate", fmt.Sprintf("%d / %d", r.Switchover.AcknowledgedLost, r.Switchover.Indeterminate))
	row(fmt.Sprintf("write gap, by name with a TTL of %s: worst / median client", ms(r.Switchover.TTLMS)), ms(r.Switchover.WriteGapMS)+" / "+ms(r.Switchover.WriteGapMedianMS))
	row("write gap, of a client that tries both servers", ms(r.Switchover.WriteGapDirectMS))
	row("bare pg_promote on this machine", ms(r.Switchover.RawPromoteMS))
	row("timeline", fmt.Sprintf("%d → %d", r.Switchover.TimelineBefore, r.Switchover.TimelineAfter))
	steps(w, r.Switchover.Steps)

	line("")
	line("The node killed in the middle of a run")
	row("killed after step / before step", r.Crash.KilledAfterStep+" / "+r.Crash.KilledBefore)
	row("run went on by itself, after the restart of the process", ms(r.Crash.ResumedMS))
	row("promotions that PostgreSQL saw", fmt.Sprint(r.Crash.PromotionsSeenByPostgres))
	row("acknowledged orders lost", fmt.Sprint(r.Crash.AcknowledgedLost))

	line("")
	line("The primary killed, unplanned failover")
	row("receipt before the promotion", fmt.Sprintf("%d to %d bytes, %.3g to %.3g s   (measured %.3g s before)", r.Failover.ReceiptBytesMin, r.Failover.ReceiptBytesMax,
		r.Failover.ReceiptSecondsMin, r.Failover.ReceiptSecondsMax, r.Failover.ReceiptAgeSeconds))
	row(fmt.Sprintf("really lost (replication stalled %s before)", ms(r.Failover.StalledMS)), fmt.Sprintf("%d orders, %d bytes of log, %.3g s", r.Failover.AcknowledgedLost, r.Failover.LostBytes, r.Failover.LostSeconds))
	row("from the kill to writing again, by name / direct", ms(r.Failover.WriteGapMS)+" / "+ms(r.Failover.WriteGapDirectMS))
	row("from a person's command to the first write", ms(r.Failover.CommandToWriteMS))
	row("the old primary, started by hand, says to a superuser", r.Failover.OldPrimaryRefusal)
	steps(w, r.Failover.Steps)

	line("")
	line("Three nodes lose their store")
	row("last answer naming the dead region after", ms(r.StoreLost.FailedOverMS)+fmt.Sprintf("   (bound %s)", ms(r.StoreLost.BoundMS)))
	row("DNS questions / unanswered", fmt.Sprintf("%d / %d", r.StoreLost.DNSQueries, r.StoreLost.DNSUnanswered))
	row("databases stopped / longest gap between writes", fmt.Sprintf("%d / %s", r.StoreLost.DatabasesStopped, ms(r.StoreLost.LongestWriteGapMS)))

	line("")
	broken := r.Broken()
	for _, p := range r.Promises {
		if p.Held {
			line("  held    %s: %s (%s)", strings.ReplaceAll(p.Phase, "_", " "), p.Says, p.Figure)
		}
	}
	for _, p := range broken {
		line("  BROKEN  %s: %s (%s)", strings.ReplaceAll(p.Phase, "_", " "), p.Says, p.Figure)
	}
	line("")
	switch {
	case r.OK:
		line("All %d promises held, in %.0f s on %d cores.", len(r.Promises), float64(r.TookMS)/1000, r.Cores)
	case r.Problem != "":
		line("The story ended early, so most of it was never looked at.")
	default:
		line("%d of %d promises were broken.", len(broken), len(r.Promises))
	}
}

func steps(w io.Writer, all []Step) {
	var parts []string
	for _, s := range all {
		if s.MS >= 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s.Name, s.MS))
		}
	}
	const width = 96
	text := "  steps, ms:"
	for _, p := range parts {
		if len(text)+len(p)+3 > width {
			fmt.Fprintln(w, text)
			text = "            "
		}
		text += " " + p + ","
	}
	fmt.Fprintln(w, strings.TrimSuffix(text, ","))
}

// ms is a figure with its unit.
func ms(n int64) string {
	switch {
	case n < 0:
		return "not measured"
	case n >= 10000:
		return fmt.Sprintf("%.1f s", float64(n)/1000)
	}
	return fmt.Sprintf("%d ms", n)
}
