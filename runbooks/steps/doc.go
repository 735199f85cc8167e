// Package steps holds the kinds of steps that a runbook may use, and turns a
// runbook with parameters into a plan that a person can approve.
//
// A kind says two things apart: what must be written ([Set.Kinds], which
// runbooks.Parse checks) and who carries it out ([Set.Step]). A kind called
// postgres.X asks the provider postgres for the action X; all the others are
// here.
//
// The surprising choice: a plan is not the runbook's text with parameters
// filled in, it is what each step says it will do in this fleet now, with
// real names, servers and times to live, and it has a hash. People approve the hash. If the
// fleet or the writer changes before the run starts, the plan is another one.
//
// Nothing here knows how a database, a store or a DNS node is reached: that
// comes in through the small interfaces of [Outside].
package steps
