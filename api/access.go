package api

import (
	"net/http"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

// GetWhoami implements [openapi.ServerInterface].
func (s *Server) GetWhoami(c *gin.Context) {
	respond(s, c, http.StatusOK, encodePrincipal(auth.From(c.Request.Context())), nil)
}

// CreateSession implements [openapi.ServerInterface].
func (s *Server) CreateSession(c *gin.Context) {
	req, err := decode[openapi.SessionRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	p, cookie, err := s.Gate.NewSession(c.Request.Context(), req.Token)
	if err = s.failed(c, err); err != nil {
		s.fail(c, err)
		return
	}
	s.note(auth.With(c.Request.Context(), p), "sign-in", p.Name, "signed in to the console with token "+p.TokenID)
	http.SetCookie(c.Writer, s.cookie(cookie, int(auth.SessionTime.Seconds())))
	respond(s, c, http.StatusOK, encodePrincipal(p), nil)
}

// DeleteSession implements [openapi.ServerInterface].
func (s *Server) DeleteSession(c *gin.Context) {
	if cookie, err := c.Request.Cookie(CookieName); err == nil {
		s.Gate.EndSession(cookie.Value)
	}
	http.SetCookie(c.Writer, s.cookie("", -1))
	c.Status(http.StatusNoContent)
}

func (s *Server) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: CookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.TLS != nil, SameSite: http.SameSiteStrictMode}
}

// ListTokens implements [openapi.ServerInterface].
func (s *Server) ListTokens(c *gin.Context) {
	tokens, known := s.Gate.Tokens(c.Request.Context())
	if !known {
		s.fail(c, fault.Unavailablef("tokens", "the store cannot be asked for them").Do("try again when it is back"))
		return
	}
	list := openapi.TokenList{}
	for _, t := range tokens {
		list.Tokens = append(list.Tokens, encodeToken(t))
	}
	respond(s, c, http.StatusOK, list, nil)
}

// CreateToken implements [openapi.ServerInterface].
func (s *Server) CreateToken(c *gin.Context) {
	req, err := decode[openapi.TokenRequest](c)
	if err != nil {
		s.fail(c, err)
		return
	}
	roles, only, err := decodeGrants(req)
	if err == nil {
		err = actor(c, auth.Tokens, auth.Object{})
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	t, text, err := s.Gate.Create(c.Request.Context(), req.Name, roles, only)
	respond(s, c, http.StatusCreated, openapi.TokenCreated{Id: t.ID, Name: t.Name, Roles: req.Roles, Token: text}, err)
}

// RevokeToken implements [openapi.ServerInterface].
func (s *Server) RevokeToken(c *gin.Context, id openapi.IdPath) {
	err := actor(c, auth.Tokens, auth.Object{})
	if err == nil {
		err = s.Gate.Revoke(c.Request.Context(), id)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func decodeGrants(req openapi.TokenRequest) (roles []auth.Role, only []auth.Scope, err error) {
	for _, text := range req.Roles {
		r, err := auth.ParseRole(string(text))
		if err != nil {
			return nil, nil, err
		}
		roles = append(roles, r)
	}
	for _, text := range req.Only {
		o, err := auth.ParseScope(text)
		if err != nil {
			return nil, nil, err
		}
		only = append(only, o)
	}
	return roles, only, nil
}

func encodePrincipal(p auth.Principal) openapi.Whoami {
	w := openapi.Whoami{Name: p.Name, Method: openapi.WhoamiMethod(p.Method), TokenId: p.TokenID, Note: p.Note, ExpiresAt: p.Expires,
		Roles: encodeRoles(p.Roles), Only: encodeScopes(p.Only)}
	for _, v := range p.Verbs() {
		w.May = append(w.May, string(v))
	}
	return w
}

func encodeToken(t auth.Token) openapi.Token {
	return openapi.Token{Id: t.ID, Name: t.Name, Roles: encodeRoles(t.Roles), Only: encodeScopes(t.Only), Source: openapi.TokenSource(t.Source),
		CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy}
}

func encodeRoles(roles []auth.Role) []openapi.Role {
	out := make([]openapi.Role, len(roles))
	for i, r := range roles {
		out[i] = openapi.Role(r)
	}
	return out
}

func encodeScopes(scopes []auth.Scope) []string {
	var out []string
	for _, s := range scopes {
		out = append(out, s.String())
	}
	return out
}
