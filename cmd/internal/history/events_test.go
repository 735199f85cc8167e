package history_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/cmd/internal/history"
	"fairlead/regions"
	"fairlead/regions/steer"
)

// processStarted is the first record of a process.
func processStarted(version string) history.Record {
	return history.Record{Kind: history.Started, Subject: "process", To: version, Sentence: "this node started, version " + version}
}

// verdictChanged records what is believed of a target now.
func verdictChanged(from regions.State, v regions.Verdict) history.Record {
	return history.Record{Kind: history.Verdict, Subject: string(v.Target), From: from.String(), To: v.Measured.String(), Verdict: &v,
		Sentence: fmt.Sprintf("%s went from %s to %s: %s", v.Target, from, v.Measured, v.Because)}
}

// regionChanged records what is believed of a region as a whole now.
func regionChanged(from regions.State, region regions.ID, v steer.RegionVerdict) history.Record {
	return history.Record{Kind: history.Region, Subject: "region " + string(region), From: from.String(), To: v.State.String(), Region: region, Measured: &v,
		Sentence: fmt.Sprintf("region %s went from %s to %s: %s", region, from, v.State, v.Because)}
}

// latchesChanged records all regions that this node has taken out by itself.
func latchesChanged(latched map[regions.ID]steer.Latch) history.Record {
	var names []string
	for id := range latched {
		names = append(names, string(id))
	}
	slices.Sort(names)
	sentence := "no region is latched out any more"
	if len(names) > 0 {
		sentence = "latched out until somebody restores them: " + strings.Join(names, ", ")
	}
	return history.Record{Kind: history.Latched, Subject: "latches", To: strings.Join(names, " "), Latched: latched, Sentence: sentence}
}

// decidedSeen records a decided state that this node steers by from now on.
func decidedSeen(d *regions.Decided) history.Record {
	return history.Record{Kind: history.Decided, Subject: "decided state", To: fmt.Sprintf("%d.%d", d.Incarnation, d.Generation), Decided: &history.Generation{State: d},
		Sentence: fmt.Sprintf("generation %d of incarnation %d is in force here", d.Generation, d.Incarnation)}
}

// feedChanged records that a peer fell silent, since when, or was heard again.
func feedChanged(peer regions.NodeID, silent bool, since time.Time) history.Record {
	r := history.Record{Kind: history.Gap, Subject: "feed of " + string(peer), Gap: &history.FeedGap{Peer: peer, Silent: silent}, From: "silent", To: "heard",
		Sentence: fmt.Sprintf("the reports of %s are heard again", peer)}
	if silent {
		r.From, r.To, r.Began = "heard", "silent", since
		r.Sentence = fmt.Sprintf("the reports of %s are missing since %s", peer, since.UTC().Format(time.RFC3339))
	}
	return r
}
