package api

import (
	"fairlead/api/auth"
	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

// verbs says what each operation of the document is an act of. An operation
// that is missing here is refused to everybody, and a test finds it.
var verbs = map[string]auth.Verb{
	"getOpenapi": open, "getStatus": auth.View, "listRegions": auth.View, "listServices": auth.View,
	"listDatabases": auth.View, "listNodes": auth.View, "explain": auth.View,
	"drainRegion": auth.Drain, "restoreRegion": auth.Restore,
	"listOverrides": auth.View, "createOverride": auth.Override, "endOverride": auth.Override,
	"getFreeze": auth.View, "setFreeze": auth.Freeze, "endFreeze": auth.Freeze,
	"getBreakGlass": auth.View, "applyBreakGlass": auth.Override, "endBreakGlass": auth.Override,
	"listRunbooks": auth.View, "getRunbook": auth.View, "checkRunbook": auth.Check,
	"listExecutions": auth.View, "getExecution": auth.View, "previewExecution": auth.View,
	"startExecution": auth.Run, "operateExecution": anyOf,
	"listAudit": auth.Audit, "verifyAudit": auth.Audit, "getBackup": auth.Backup, "listHistory": auth.View, "streamEvents": auth.View,
	"getWhoami": auth.View, "createSession": open, "deleteSession": open,
	"listTokens": auth.Tokens, "createToken": auth.Tokens, "revokeToken": auth.Tokens,
	"getConfig": auth.View, "checkConfig": auth.Check,
}

const (
	open  auth.Verb = "open"   // needs nobody
	anyOf auth.Verb = "any of" // depends on the operation asked for; the handler asks
)

// permit lets a principal pass who may do the operation to something. To what
// exactly is known once the request is decoded: then the handler asks again
// (see actor).
func (s *Server) permit(c *gin.Context) {
	route, err := s.route(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	p := auth.From(c.Request.Context())
	switch v := verbs[route.Operation.OperationID]; v {
	case open:
	case anyOf:
		err = p.Allow(auth.View, auth.Object{})
	case "":
		err = fault.Deniedf("operation "+route.Operation.OperationID, "nobody may do it: it has no place in the table of verbs")
	default:
		if p.Name == "" || !p.May(v) {
			err = p.Allow(v, auth.Object{})
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Next()
}

// actor returns nil if whoever sent the request may do v to o.
func actor(c *gin.Context, v auth.Verb, o auth.Object) error {
	return auth.From(c.Request.Context()).Allow(v, o)
}
