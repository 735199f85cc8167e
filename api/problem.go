package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

// problemType is RFC 9457's media type.
const problemType = "application/problem+json"

// answerOf is how a kind of fault is told over HTTP. It is the only place
// where a kind becomes a status.
func answerOf(k fault.Kind) (status int, title string) {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest, "as asked, this cannot succeed"
	case fault.NotFound:
		return http.StatusNotFound, "there is no such thing"
	case fault.Conflict:
		return http.StatusConflict, "something is in the way"
	case fault.Denied:
		return http.StatusForbidden, "not allowed"
	case fault.Unavailable:
		return http.StatusServiceUnavailable, "not possible right now"
	}
	return http.StatusInternalServerError, "a fault in Fairlead itself"
}

// status is a fault whose status says more than its kind does.
type status struct {
	code       int
	title      string
	retryAfter time.Duration
	err        error
}

func (s *status) Error() string { return s.err.Error() }
func (s *status) Unwrap() error { return s.err }

// fail answers with the problem document of err and ends the request's chain.
// What is our own fault is logged whole and told without its cause, which
// might hold what is nobody's business.
func (s *Server) fail(c *gin.Context, err error) {
	p := problemOf(err)
	if p.Kind == openapi.ProblemInternal {
		id := newRequestID()
		s.log.ErrorContext(c.Request.Context(), "a request failed by our own fault",
			"request", id, "method", c.Request.Method, "path", c.Request.URL.Path, "err", err)
		p.Remedy = "report it with the log line of request " + id + " on node " + s.node
		p.Detail = "something went wrong inside Fairlead; nothing is known to have changed (" + p.Remedy + ")"
	}
	if p.Status == http.StatusForbidden && auth.From(c.Request.Context()).Name == "" {
		p.Status, p.Title = http.StatusUnauthorized, "nobody is signed in"
		c.Header("WWW-Authenticate", `Bearer realm="fairlead"`)
	}
	if p.Status == http.StatusForbidden {
		s.noteRefusal(c, p.Detail)
	}
	if st, ok := errors.AsType[*status](err); ok && st.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int(st.retryAfter.Round(time.Second)/time.Second)))
	}
	c.Set(refusedKey, p.Detail)
	c.Abort()
	if c.Writer.Written() {
		return // a stream broke off; its reader sees that
	}
	c.Header("Content-Type", problemType)
	c.JSON(p.Status, p)
}

// refusedKey is where a refusal's sentence waits for the request's log line.
const refusedKey = "fairlead.refused"

func problemOf(err error) openapi.Problem {
	kind := fault.Of(err)
	code, title := answerOf(kind)
	if st, ok := errors.AsType[*status](err); ok {
		code, title = st.code, st.title
	}
	p := openapi.Problem{Type: "/problems/" + kind.String(), Title: title, Status: code, Detail: err.Error(), Kind: openapi.ProblemKind(kind.String())}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		p.Subject, p.Remedy = f.Subject, f.Remedy
	}
	return p
}

// respond answers with a document in which no list is null.
func respond[T any](s *Server, c *gin.Context, code int, v T, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(code, whole(v))
}
