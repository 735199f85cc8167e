package api

import (
	"context"
	"time"

	"fairlead/api/auth"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"
)

const (
	noteTime  = 2 * time.Second // the answer waits for the note no longer
	noteBurst = 20
)

// notes bounds how fast refusals grow the trail: somebody who asks for what
// they may not do, in a loop, must not fill the store. What is too much goes
// to the log alone.
func newNotes() *rate.Limiter { return rate.NewLimiter(1, noteBurst) }

// note adds an entry to the trail, or says in the log why not.
func (s *Server) note(ctx context.Context, kind, subject, sentence string) {
	if !s.notes.Allow() {
		s.log.WarnContext(ctx, "too many notes for the trail; this one is only logged", "kind", kind, "principal", auth.From(ctx).Name, "subject", subject)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := s.Auditor.Note(ctx, kind, subject, sentence); err != nil {
		s.log.WarnContext(ctx, "a note did not reach the trail", "kind", kind, "principal", auth.From(ctx).Name, "subject", subject, "err", err)
	}
}

// noteRefusal remembers an act that somebody was not allowed. Who is nobody is
// in the log alone: the trail names people.
func (s *Server) noteRefusal(c *gin.Context, sentence string) {
	if p := auth.From(c.Request.Context()); p.Name != "" && !safe(c.Request.Method) {
		s.note(c.Request.Context(), "refused", c.Request.Method+" "+c.Request.URL.Path, sentence)
	}
}
