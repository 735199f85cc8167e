//go:build race

package spread

// interleavings is how many are played. The race detector has little to find in
// them: they are played by one goroutine.
const interleavings = 500
