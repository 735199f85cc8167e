// Package clock builds a program whose wall clock is off by as much as the
// environment says, while its monotonic clock is right, as on a machine whose
// time nobody keeps.
//
// No line of the program knows of it: the compiler is given another version of
// the one function of Go's runtime that reads the wall clock (the flag -overlay
// of go build). The kernel could not do it, since its time namespaces leave the
// wall clock alone.
package clock
