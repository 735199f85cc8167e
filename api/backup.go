package api

import (
	"net/http"
	"time"

	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

// backupWriteLimit is how long one portion of a backup may wait for who takes
// it.
const backupWriteLimit = 30 * time.Second

// GetBackup implements [openapi.ServerInterface]. What fails before the first
// byte is told; after it the connection is broken off, so that nobody takes the
// part for the whole.
func (s *Server) GetBackup(c *gin.Context) {
	out := &backupWriter{c: c, rc: http.NewResponseController(c.Writer)}
	err := s.Archivist.Backup(c.Request.Context(), out)
	switch {
	case err == nil && !out.begun:
		s.fail(c, fault.New(fault.Internal, "backup", "it is empty"))
	case err != nil && !out.begun:
		s.fail(c, err)
	case err != nil:
		s.log.WarnContext(c.Request.Context(), "a backup broke off", "problem", err.Error())
		panic(http.ErrAbortHandler)
	}
}

type backupWriter struct {
	c     *gin.Context
	rc    *http.ResponseController
	begun bool
}

func (w *backupWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.c.Header("Content-Type", "application/octet-stream")
		w.c.Status(http.StatusOK)
	}
	// A recorder in a test has no deadlines; a connection that is gone says so
	// when it is written to.
	_ = w.rc.SetWriteDeadline(time.Now().Add(backupWriteLimit))
	return w.c.Writer.Write(b)
}
