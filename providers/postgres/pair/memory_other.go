//go:build !linux && !darwin

package pair

// forget removes nothing where nobody has found out how.
func (s *Server) forget() error { return nil }
