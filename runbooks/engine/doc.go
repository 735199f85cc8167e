// Package engine runs executions of runbooks, journal first.
//
// One engine leads at a time. It writes down what it intends, does it, and
// writes down what came of it, in that order, so that after a crash the
// journal says exactly what may have happened. [Engine.Run] is given its
// leadership as a context and a [Journal] that refuses writes once that
// leadership is over; when the context ends everything it started ends, and
// nothing more is written.
//
// # Interruptions
//
// An intent without an outcome that this engine did not write itself is the
// trace of another one that was lost. It is recorded as interrupted, and only
// looking at the world decides what follows: done is done, not done is done
// again under the same key, and what cannot be seen stays unknown until it
// can, or until a person decides.
//
// # What callers may rely on
//
// The engine decides nothing: what follows is Execution.Next, a pure function
// of the journal. It never sleeps between steps, and wakes when a journal
// grows, so what people append through the API takes effect at once. Runs do
// not wait for each other; steps of a parallel group really run at once.
package engine
