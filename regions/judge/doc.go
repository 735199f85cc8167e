// Package judge is the loop in every node that turns what is reported and
// what is decided into what is believed and planned.
//
// It carries the vantage points' tables to [health.Judgement.Next], its
// verdicts and the decided state to [steer.Decide], and hands the outcome to
// a sink. It decides nothing itself. It judges whenever it is poked, at once
// after a calm and at most every 20 ms in a storm, and once a second because
// silence makes no noise.
//
// The surprising choice: it needs nobody. Without the store, without peers,
// with what lay on the disk alone, it goes on judging what its own probes
// see.
//
// Callers may rely on this: decided state, epochs and latches never go back
// within a run, nor from one run to the next for who hands in the [Memory] of
// the last one; and every [View] is immutable and complete in itself.
package judge
