package api

import (
	"net/http"

	"fairlead/api/openapi"

	"github.com/gin-gonic/gin"
)

// newest asks for the newest entries of a record.
const newest = -1

// ListAudit implements [openapi.ServerInterface].
func (s *Server) ListAudit(c *gin.Context, params openapi.ListAuditParams) {
	page, err := s.Auditor.Audit(c.Request.Context(), from(c, params.From), params.Limit)
	respond(s, c, http.StatusOK, page, err)
}

// VerifyAudit implements [openapi.ServerInterface].
func (s *Server) VerifyAudit(c *gin.Context) {
	v, err := s.Auditor.VerifyAudit(c.Request.Context())
	respond(s, c, http.StatusOK, v, err)
}

// ListHistory implements [openapi.ServerInterface].
func (s *Server) ListHistory(c *gin.Context, params openapi.ListHistoryParams) {
	page, err := s.Historian.History(c.Request.Context(), from(c, params.From), params.Limit)
	respond(s, c, http.StatusOK, page, err)
}

// from tells position 0 from no position.
func from(c *gin.Context, position int64) int64 {
	if !c.Request.URL.Query().Has("from") {
		return newest
	}
	return position
}

// GetConfig implements [openapi.ServerInterface].
func (s *Server) GetConfig(c *gin.Context) {
	config, err := s.Configuration.Config(c.Request.Context())
	respond(s, c, http.StatusOK, config, err)
}

// CheckConfig implements [openapi.ServerInterface].
func (s *Server) CheckConfig(c *gin.Context) {
	req, err := decode[openapi.CheckRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	problems := s.Configuration.CheckConfig(c.Request.Context(), fileName(req), req.Text)
	respond(s, c, http.StatusOK, openapi.CheckResult{Ok: len(problems) == 0, Problems: problems}, nil)
}

func fileName(req openapi.CheckRequest) string {
	if req.File == "" {
		return "text"
	}
	return req.File
}
