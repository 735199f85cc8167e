// Package runbooks is the pure core of disaster-recovery procedures: what a
// [Runbook] says, and where an [Execution] of it stands.
//
// An execution is the fold of its journal. Everything that happens to it is an
// [Event], written to the journal before it counts; [Execution.Apply] folds an
// event in and refuses one that cannot follow, and [Execution.Next] says what
// to do now. There is no other state: after a crash the same events give the
// same execution, and an intention without an outcome is an unknown that only
// looking at the world may settle.
//
// Nothing here acts, waits or reads a clock. The loop that does is in
// runbooks/engine, the step kinds are in runbooks/steps.
package runbooks
