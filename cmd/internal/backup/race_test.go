//go:build race

package backup_test

// stride is how far apart the bytes are that are damaged. The race detector
// makes each ten times as dear and has nothing to find.
const stride = 17
