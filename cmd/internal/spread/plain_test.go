//go:build !race

package spread

const interleavings = 10_000
