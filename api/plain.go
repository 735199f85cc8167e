package api

import (
	"net/http"
	"strings"

	"fairlead/api/auth"
	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

// live answers while the process can answer anything.
func (s *Server) live(c *gin.Context) { c.String(http.StatusOK, "alive\n") }

// ready says why this node should not be asked, one reason a line.
func (s *Server) ready(c *gin.Context) {
	reasons := s.Readiness.Unready(c.Request.Context())
	if len(reasons) > 0 {
		c.String(http.StatusServiceUnavailable, "%s\n", strings.Join(reasons, "\n"))
		return
	}
	c.String(http.StatusOK, "ready\n")
}

// metrics names regions and databases, so it is for those who may look.
func (s *Server) metrics(c *gin.Context) {
	if err := actor(c, auth.View, auth.Object{}); err != nil {
		s.fail(c, err)
		return
	}
	s.Metrics.ServeHTTP(c.Writer, c.Request)
}

// elsewhere is everything that no route answers: the console and its paths.
func (s *Server) elsewhere(c *gin.Context) {
	switch {
	case strings.HasPrefix(c.Request.URL.Path, "/api/") || !safe(c.Request.Method):
		s.fail(c, fault.NotFoundf(c.Request.Method+" "+c.Request.URL.Path, "there is no such route").Do("see /api/v1/openapi.json"))
	case s.Console == nil:
		c.String(http.StatusNotFound, "This node serves no console. The API is under /api/v1.\n")
	default:
		c.Status(http.StatusOK) // gin set 404 before it asked
		s.Console.ServeHTTP(c.Writer, c.Request)
	}
}

func (s *Server) wrongMethod(c *gin.Context) {
	s.fail(c, &status{code: http.StatusMethodNotAllowed, title: "not with this method",
		err: fault.Invalidf(c.Request.Method+" "+c.Request.URL.Path, "this route is not asked that way").Do("use %s", c.Writer.Header().Get("Allow"))})
}
