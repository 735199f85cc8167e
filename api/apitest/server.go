package apitest

import (
	"io"
	"log/slog"
	"net/http"

	"fairlead/api"
	"fairlead/api/auth"
)

// Server returns the API of the world, as a node on loopback serves it. Change
// alters its parts before they are wired.
func (w *World) Server(change ...func(*api.Parts)) *api.Server {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	p := api.Parts{Overview: w, Explainer: w, Overrider: w, Freezer: w, Glass: w, Library: w, Runs: w, Commander: w, Auditor: w, Archivist: w, Historian: w,
		Configuration: w, Readiness: w, Gate: auth.NewGate(nil, w, true, log), Stream: w.Stream, Log: log, Node: "n1", Loopback: true,
		Console: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, "console "+r.URL.Path) }),
		Metrics: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "fairlead_up 1\n") })}
	for _, f := range change {
		f(&p)
	}
	s, err := api.New(p)
	if err != nil {
		panic(err)
	}
	return s
}
