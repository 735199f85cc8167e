// Package health turns probe results into verdicts.
//
// It has three parts. A [Detector] watches one target from one vantage point
// and applies hysteresis: a target goes down after Fall failures in a row and
// comes back after Rise successes, so one lost packet moves nothing. [Quorum]
// weighs what the vantage points report of one target. [Judgement.Next] does
// that for everything at once, judges regions as a whole, and doubts itself.
//
// # Silence
//
// A vantage point that stops reporting is not evidence against the target it
// watched. Its report decays to [regions.Unknown] and leaves the vote; when
// too few voices remain, Quorum returns the state that held before. A stale
// answer is better than an empty one because a link between two of our own
// nodes broke.
//
// # Self-doubt
//
// When everything in two or more regions stops answering at once, it is more
// likely that we are blind than that they are all gone. Unless vantage points
// in two other regions saw it too, what was good stays good in
// [regions.Verdict.Effective], an alarm says so, and [regions.Verdict.Measured]
// shows what is really measured. One region alone is believed at once, with or
// without its own vantage points; so is one service that fails everywhere
// while others beside it answer.
//
// Nothing here reads the clock, the network or the store. Callers say what
// happened and when; the same history always yields the same verdict.
package health
