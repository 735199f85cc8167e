// Package daemon is a node: the one place where everything meets everything.
//
// It wires and decides nothing. Facts flow one way: probes and neighbours'
// tables → judge → plan → DNS snapshot; decisions flow the other: API → store
// → decided state → every node. Each loop has its own package and is tested
// there; what is tested here is that they are connected.
//
// What callers may rely on: a node that has once known a decided state starts
// from its own disk, answers before it has reached anybody, and goes on when
// the store is gone.
package daemon
