//go:build !race

package sim_test

const budget = 3000 // histories
