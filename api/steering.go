package api

import (
	"net/http"
	"time"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

// defaultDrain is how long a drain lasts when nobody says; then it is held.
const defaultDrain = time.Hour

// DrainRegion implements [openapi.ServerInterface].
func (s *Server) DrainRegion(c *gin.Context, region openapi.RegionPath) {
	req, err := decode[openapi.DrainRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	d, err := parseDuration(req.For, defaultDrain)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.steer(c, auth.Drain, Act{Verb: Drain, Scope: scopeOf(region, req.Service), For: d, Reason: req.Reason, Force: req.Force, DryRun: req.DryRun})
}

// RestoreRegion implements [openapi.ServerInterface].
func (s *Server) RestoreRegion(c *gin.Context, region openapi.RegionPath) {
	req, err := decode[openapi.RestoreRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.steer(c, auth.Restore, Act{Verb: Restore, Scope: scopeOf(region, req.Service), Reason: req.Reason, DryRun: req.DryRun})
}

// CreateOverride implements [openapi.ServerInterface].
func (s *Server) CreateOverride(c *gin.Context) {
	req, err := decode[openapi.OverrideRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	d, err := parseDuration(req.For, 0)
	if err != nil {
		s.fail(c, err)
		return
	}
	verb := ForceUp
	if req.State == openapi.OverrideDown {
		verb = ForceDown
	}
	s.steer(c, auth.Override, Act{Verb: verb, Scope: scopeOf(req.Region, req.Service), For: d, Reason: req.Reason, Force: req.Force, DryRun: req.DryRun})
}

// EndOverride implements [openapi.ServerInterface].
func (s *Server) EndOverride(c *gin.Context, id openapi.IdPath) {
	req, err := decode[openapi.ReasonRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	v, err := s.Overview.View(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	o, ok := findOverride(v, id)
	if !ok {
		s.fail(c, fault.NotFoundf("override "+id, "there is none of that name in force").Do("see fairlead override list"))
		return
	}
	s.steer(c, auth.Override, Act{Verb: End, ID: id, Scope: o.Scope(), Reason: req.Reason})
}

func (s *Server) steer(c *gin.Context, v auth.Verb, a Act) {
	err := actor(c, v, auth.Object{Region: string(a.Scope.Region), Service: string(a.Scope.Service)})
	if err != nil {
		s.fail(c, err)
		return
	}
	d, err := s.Overrider.Steer(c.Request.Context(), a)
	respond(s, c, http.StatusOK, openapi.SteeringResult{Generation: int64(d.Generation), DryRun: a.DryRun, Effects: d.Effects,
		Overrides: encodeOverrides(d.Overrides)}, err)
}

// ListOverrides implements [openapi.ServerInterface].
func (s *Server) ListOverrides(c *gin.Context) {
	v, err := s.Overview.View(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, http.StatusOK, openapi.OverrideList{At: v.At, Overrides: encodeOverrides(overridesIn(v))}, nil)
}

// GetFreeze implements [openapi.ServerInterface].
func (s *Server) GetFreeze(c *gin.Context) {
	v, err := s.Overview.View(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, http.StatusOK, encodeFreeze(freezeIn(v)), nil)
}

// SetFreeze implements [openapi.ServerInterface].
func (s *Server) SetFreeze(c *gin.Context) {
	req, err := decode[openapi.FreezeRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	d, err := parseDuration(req.For, 0)
	if err == nil {
		err = actor(c, auth.Freeze, auth.Object{})
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	f, err := s.Freezer.Freeze(c.Request.Context(), req.Reason, d)
	respond(s, c, http.StatusOK, encodeFreeze(f), err)
}

// EndFreeze implements [openapi.ServerInterface].
func (s *Server) EndFreeze(c *gin.Context, params openapi.EndFreezeParams) {
	err := actor(c, auth.Freeze, auth.Object{})
	if err == nil {
		err = s.Freezer.Unfreeze(c.Request.Context(), params.Reason)
	}
	respond(s, c, http.StatusOK, openapi.Freeze{}, err)
}

func scopeOf(region, service string) regions.Scope {
	return regions.Scope{Region: regions.ID(region), Service: regions.ServiceID(service)}
}

func parseDuration(text string, absent time.Duration) (time.Duration, error) {
	if text == "" {
		return absent, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fault.Invalidf("duration "+text, "is not a length of time").Do("write 90s, 30m or 1h30m")
	}
	return d, nil
}
