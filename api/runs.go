package api

import (
	"net/http"
	"time"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions"
	"fairlead/regions/fault"
	"fairlead/runbooks"

	"github.com/gin-gonic/gin"
)

// ListRunbooks implements [openapi.ServerInterface].
func (s *Server) ListRunbooks(c *gin.Context) {
	list, err := s.Library.Runbooks(c.Request.Context())
	out := openapi.RunbookList{}
	for _, p := range list {
		out.Runbooks = append(out.Runbooks, encodeProcedureSummary(p))
	}
	respond(s, c, http.StatusOK, out, err)
}

// GetRunbook implements [openapi.ServerInterface].
func (s *Server) GetRunbook(c *gin.Context, name openapi.Identifier) {
	list, err := s.Library.Runbooks(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	for _, p := range list {
		if p.Runbook.Name == name {
			respond(s, c, http.StatusOK, encodeProcedure(p), nil)
			return
		}
	}
	s.fail(c, fault.NotFoundf("runbook "+name, "there is none of that name").Do("see fairlead runbook list"))
}

// CheckRunbook implements [openapi.ServerInterface].
func (s *Server) CheckRunbook(c *gin.Context) {
	req, err := decode[openapi.CheckRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := openapi.CheckResult{Ok: true}
	for _, p := range s.Library.CheckRunbook(c.Request.Context(), fileName(req), req.Text) {
		out.Ok = false
		out.Problems = append(out.Problems, openapi.TextProblem{File: p.File, Line: p.Line, Column: p.Column, Problem: p.What, Remedy: p.Do})
	}
	respond(s, c, http.StatusOK, out, nil)
}

// ListExecutions implements [openapi.ServerInterface].
func (s *Server) ListExecutions(c *gin.Context, params openapi.ListExecutionsParams) {
	list, err := s.Runs.Runs(c.Request.Context(), params.Open, params.Limit)
	out := openapi.ExecutionList{At: time.Now().UTC()}
	for _, x := range list {
		out.Executions = append(out.Executions, encodeSummary(x, out.At))
	}
	respond(s, c, http.StatusOK, out, err)
}

// GetExecution implements [openapi.ServerInterface].
func (s *Server) GetExecution(c *gin.Context, id openapi.IdPath) {
	s.execution(c, http.StatusOK, runbooks.ExecutionID(id))
}

func (s *Server) execution(c *gin.Context, code int, id runbooks.ExecutionID) {
	run, err := s.Runs.Run(c.Request.Context(), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, code, encodeExecution(run, auth.From(c.Request.Context()), time.Now()), nil)
}

// PreviewExecution implements [openapi.ServerInterface].
func (s *Server) PreviewExecution(c *gin.Context) {
	req, err := decode[openapi.PreviewRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	plan, err := s.Commander.Preview(c.Request.Context(), Order{Runbook: req.Runbook, Database: regions.DatabaseID(req.Database), To: regions.ID(req.To),
		Ungraceful: req.Ungraceful, Params: req.Params})
	if err != nil {
		s.fail(c, err)
		return
	}
	respond(s, c, http.StatusOK, encodePlan(plan), nil)
}

// StartExecution implements [openapi.ServerInterface].
func (s *Server) StartExecution(c *gin.Context, params openapi.StartExecutionParams) {
	req, err := decode[openapi.ExecutionRequest](c)
	if err == nil {
		err = actor(c, auth.Run, auth.Object{Database: req.Database, Region: req.To})
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	id, err := s.Commander.Start(c.Request.Context(), Order{Key: params.IdempotencyKey, Runbook: req.Runbook, Database: regions.DatabaseID(req.Database),
		To: regions.ID(req.To), Ungraceful: req.Ungraceful, Params: req.Params, Reason: req.Reason, PlanHash: req.PlanHash})
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Location", "/api/v1/executions/"+string(id))
	s.execution(c, http.StatusCreated, id)
}

// OperateExecution implements [openapi.ServerInterface].
func (s *Server) OperateExecution(c *gin.Context, id openapi.IdPath, operation openapi.Operation) {
	req, err := decode[openapi.OperationRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	run, err := s.Runs.Run(c.Request.Context(), runbooks.ExecutionID(id))
	if err == nil {
		err = actor(c, verbOf(runbooks.Operation(operation)), objectOf(run.Execution))
	}
	if err == nil {
		err = s.Commander.Operate(c.Request.Context(), runbooks.ExecutionID(id), Request{Operation: runbooks.Operation(operation),
			Step: runbooks.StepID(req.Step), Reason: req.Reason, PlanHash: req.PlanHash})
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.execution(c, http.StatusOK, runbooks.ExecutionID(id))
}

// verbOf says what asking a run for an operation is an act of.
func verbOf(op runbooks.Operation) auth.Verb {
	if op == runbooks.OpApprove || op == runbooks.OpDecline {
		return auth.Approve
	}
	return auth.Operate
}

func objectOf(x *runbooks.Execution) auth.Object {
	start := x.Start()
	if start == nil {
		return auth.Object{}
	}
	return auth.Object{Database: string(start.Database), Region: string(start.To)}
}
