//go:build race

package sim_test

// budget is how many histories are played. The race detector makes each cost
// five times as much and has nothing to find: there is one goroutine.
const budget = 250
