package api

import (
	"net/http"

	"fairlead/api/auth"
	"fairlead/api/openapi"

	"github.com/gin-gonic/gin"
)

// GetBreakGlass implements [openapi.ServerInterface].
func (s *Server) GetBreakGlass(c *gin.Context) {
	g, err := s.Glass.Glass(c.Request.Context())
	respond(s, c, http.StatusOK, g, err)
}

// ApplyBreakGlass implements [openapi.ServerInterface]. Whether the bundle may
// rule is said by its signatures; the token only says who handed it in.
func (s *Server) ApplyBreakGlass(c *gin.Context) {
	req, err := decode[openapi.BreakGlassRequest](c)
	if err == nil {
		err = actor(c, auth.Override, auth.Object{})
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	g, err := s.Glass.BreakGlass(c.Request.Context(), req.Bundle)
	respond(s, c, http.StatusOK, g, err)
}

// EndBreakGlass implements [openapi.ServerInterface].
func (s *Server) EndBreakGlass(c *gin.Context, params openapi.EndBreakGlassParams) {
	if err := actor(c, auth.Override, auth.Object{}); err != nil {
		s.fail(c, err)
		return
	}
	g, err := s.Glass.EndGlass(c.Request.Context(), params.Reason)
	respond(s, c, http.StatusOK, g, err)
}
