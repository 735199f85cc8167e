package history

// Check says why a segment is not whole, or nil. It changes nothing. A segment
// that ends between two records is whole: that records are missing at its end
// cannot be seen in it.
func Check(path string) error {
	first, _ := parseName(path)
	_, err := survey(path, first)
	return err
}
