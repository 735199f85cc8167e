package api

import (
	"net/http"
	"net/netip"

	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

// GetOpenapi implements [openapi.ServerInterface].
func (s *Server) GetOpenapi(c *gin.Context) {
	c.Data(http.StatusOK, "application/json; charset=utf-8", s.json)
}

// GetStatus implements [openapi.ServerInterface].
func (s *Server) GetStatus(c *gin.Context) {
	st, err := s.status(c.Request.Context())
	respond(s, c, http.StatusOK, st, err)
}

// ListRegions implements [openapi.ServerInterface].
func (s *Server) ListRegions(c *gin.Context) {
	v, err := s.Overview.View(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, http.StatusOK, openapi.RegionList{At: v.At, Regions: encodeRegions(v)}, nil)
}

// ListServices implements [openapi.ServerInterface].
func (s *Server) ListServices(c *gin.Context) {
	v, err := s.Overview.View(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, http.StatusOK, openapi.ServiceList{At: v.At, Services: encodeServices(v)}, nil)
}

// ListDatabases implements [openapi.ServerInterface].
func (s *Server) ListDatabases(c *gin.Context) {
	v, err := s.Overview.View(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, http.StatusOK, openapi.DatabaseList{At: v.At, Databases: encodeDatabases(v)}, nil)
}

// ListNodes implements [openapi.ServerInterface].
func (s *Server) ListNodes(c *gin.Context) {
	v, err := s.Overview.View(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, http.StatusOK, openapi.NodeList{At: v.At, Nodes: v.Nodes}, nil)
}

// Explain implements [openapi.ServerInterface].
func (s *Server) Explain(c *gin.Context, params openapi.ExplainParams) {
	q, err := decodeQuestion(params)
	if err != nil {
		s.fail(c, err)
		return
	}
	e, err := s.Explainer.Explain(c.Request.Context(), q)
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, http.StatusOK, encodeExplanation(q, e), nil)
}

func decodeQuestion(params openapi.ExplainParams) (Question, error) {
	q := Question{Name: regions.CanonicalName(params.Name), Type: params.Type, At: params.At}
	if q.Type == "" {
		q.Type = "A"
	}
	if params.Client == "" {
		return q, nil
	}
	prefix, err := netip.ParsePrefix(params.Client)
	if err == nil {
		q.Client = prefix.Masked()
		return q, nil
	}
	addr, err := netip.ParseAddr(params.Client)
	if err != nil {
		return q, fault.Invalidf("parameter client", "%q is neither an address nor a prefix", params.Client).Do("write 198.51.100.7 or 198.51.100.0/24")
	}
	q.Client = netip.PrefixFrom(addr.WithZone(""), addr.BitLen())
	return q, nil
}
