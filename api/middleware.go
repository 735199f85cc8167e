package api

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"fairlead/api/auth"
	"fairlead/regions/fault"

	"github.com/gin-gonic/gin"
)

// CookieName is the session's cookie.
const CookieName = "fairlead_session"

// recovered turns a panic into a problem document; its stack goes to the log.
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case http.ErrAbortHandler:
			panic(r)
		default:
			s.log.ErrorContext(c.Request.Context(), "a handler panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			s.fail(c, fmt.Errorf("panic: %v", r))
		}
	}()
	c.Next()
}

// headers protects who looks at an answer in a browser.
func (s *Server) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if strings.HasPrefix(c.Request.URL.Path, "/api/") {
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
	} else {
		// What the console's own handler sets is stricter or the same.
		h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "+
			"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	}
	if s.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	c.Next()
}

// logged writes one line per request: acts at info, looking at debug.
func (s *Server) logged(c *gin.Context) {
	began := time.Now()
	c.Next()
	level := slog.LevelDebug
	if !safe(c.Request.Method) {
		level = slog.LevelInfo
	}
	attrs := []slog.Attr{slog.String("method", c.Request.Method), slog.String("path", c.Request.URL.Path), slog.Int("status", c.Writer.Status()),
		slog.String("principal", auth.From(c.Request.Context()).Name), slog.Duration("took", time.Since(began))}
	if why := c.GetString(refusedKey); why != "" {
		attrs = append(attrs, slog.String("refused", why))
	}
	s.log.LogAttrs(c.Request.Context(), level, "request", attrs...)
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// identify puts the principal into the request's context. Who sent nothing
// becomes Local where that is allowed, or nobody; who sent something wrong is
// refused.
func (s *Server) identify(c *gin.Context) {
	ctx := c.Request.Context()
	p, err := s.principal(c)
	if err == nil {
		c.Request = c.Request.WithContext(auth.With(ctx, p))
		if p.Method != auth.ByToken {
			// A browser adds cookies (and its place on this machine) to requests
			// that other sites make; a token only comes from who has it.
			err = s.sameOrigin(c.Request)
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Next()
}

func (s *Server) principal(c *gin.Context) (auth.Principal, error) {
	ctx := c.Request.Context()
	if header := c.GetHeader("Authorization"); header != "" {
		kind, text, _ := strings.Cut(header, " ")
		if !strings.EqualFold(kind, "Bearer") {
			return auth.Principal{}, fault.Deniedf("sign-in", "only bearer tokens are taken").Do("send Authorization: Bearer ID.SECRET")
		}
		p, err := s.Gate.ByToken(ctx, text)
		return p, s.failed(c, err)
	}
	if cookie, err := c.Request.Cookie(CookieName); err == nil {
		if p, err := s.Gate.BySession(ctx, cookie.Value); err == nil {
			return p, nil
		}
		// A cookie of yesterday must not keep anybody from signing in again.
	}
	if !needsPrincipal(c) || !s.callerIsHere(c.Request) {
		return auth.Principal{}, nil // nobody; permit says so where it matters
	}
	p, err := s.Gate.Anonymous(ctx)
	if err != nil {
		return auth.Principal{}, nil // likewise
	}
	return p, nil
}

// needsPrincipal spares the probes and the console's files a look at tokens.
func needsPrincipal(c *gin.Context) bool {
	p := c.Request.URL.Path
	return strings.HasPrefix(p, "/api/") || p == "/metrics"
}

// callerIsHere reports whether a request without any credentials was made on
// this machine, for this machine. A name other than localhost would be another
// site that made a browser believe it lives here (DNS rebinding), and a
// forwarded request comes from elsewhere.
func (s *Server) callerIsHere(r *http.Request) bool {
	if !s.Loopback || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (s *Server) sameOrigin(r *http.Request) error {
	if err := s.cross.Check(r); err != nil {
		return fault.Deniedf("request", "it was made by another site in this browser").Do("use the console itself, or send a token")
	}
	return nil
}

// failed counts a failed sign-in against its address; who fails too often is
// told to wait.
func (s *Server) failed(c *gin.Context, err error) error {
	if !fault.Is(err, fault.Denied) {
		return err
	}
	from, _ := netip.ParseAddrPort(c.Request.RemoteAddr)
	ok, wait := s.failures.Add(from.Addr(), time.Now())
	if ok {
		s.log.Warn("sign-in failed", "from", from.Addr().String())
		return err
	}
	return &status{code: http.StatusTooManyRequests, title: "too many failed sign-ins", retryAfter: wait,
		err: fault.Unavailablef("sign-in", "too many failed attempts from %s", from.Addr()).Do("wait %v, and check the token", wait)}
}
