package replica

import "os"

// Check says why a file is not whole, or nil. It changes nothing.
func Check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = decodeFile(text)
	return err
}
