//go:build !linux

package wire

// Missing says in a sentence what this machine lacks for a network of the
// laboratory.
func Missing() string { return "network namespaces need Linux" }
