package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"fairlead/regions/fault"
)

// maxOrder bounds an order's body; orders are small.
const maxOrder = 64 << 10

// handler answers POST /v1/<verb>. work outlives each request: once begun, a
// verb runs to its end within its limit.
func (a *Agent) handler(work context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		st, err := a.answer(work, r)
		if err != nil {
			respondFault(w, err)
			return
		}
		respond(w, http.StatusOK, st)
	})
}

func (a *Agent) answer(work context.Context, r *http.Request) (Status, error) {
	verb, o, err := a.read(r)
	switch {
	case err != nil:
		return Status{}, Untouched(err)
	case verb == VerbStatus:
		return a.perform(r.Context(), verb, o)
	}
	return a.perform(work, verb, o)
}

// read reads an order from somebody who may give one.
func (a *Agent) read(r *http.Request) (verb string, o Order, err error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return "", o, fault.Deniedf(a.server.subject, "orders need a verified client certificate")
	}
	if err := a.opts.Authorize(r.TLS.VerifiedChains[0][0]); err != nil {
		return "", o, err
	}
	verb, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	if !ok || r.Method != http.MethodPost {
		return "", o, fault.NotFoundf(a.server.subject, "the agent answers POST /v1/<verb> only")
	}
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxOrder))
	body.DisallowUnknownFields()
	if err := body.Decode(&o); err != nil {
		return "", o, fault.Invalidf(a.server.subject, "the order cannot be read").Because(err)
	}
	return verb, o, nil
}

// statuses maps what went wrong to HTTP, once.
var statuses = map[fault.Kind]int{
	fault.Internal: http.StatusInternalServerError, fault.Invalid: http.StatusBadRequest, fault.NotFound: http.StatusNotFound,
	fault.Conflict: http.StatusConflict, fault.Denied: http.StatusForbidden, fault.Unavailable: http.StatusServiceUnavailable,
}

func respondFault(w http.ResponseWriter, err error) {
	p := problem{Kind: fault.Of(err).String(), Problem: err.Error(), Untouched: IsUntouched(err)}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		p.Subject, p.Problem, p.Remedy = f.Subject, f.Problem, f.Remedy
		if f.Err != nil {
			p.Problem += ": " + f.Err.Error()
		}
	}
	respond(w, statuses[fault.Of(err)], p)
}

func respond(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that is gone reads it under the same key later
}
