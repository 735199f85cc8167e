package api

// HasVerb reports whether an operation is in the table of verbs.
func HasVerb(operation string) bool { return verbs[operation] != "" }

// Draw is the loop that keeps the watchers' picture current.
var Draw = (*Server).draw
