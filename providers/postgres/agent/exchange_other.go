//go:build !linux

package agent

import "os"

// exchange swaps two directories. If it is interrupted, b is missing and its
// former content lies beside it, under the name of b with ".replaced".
func exchange(a, b string) error {
	aside := b + ".replaced"
	if err := os.Rename(b, aside); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return err
	}
	return os.Rename(aside, a)
}
