package api

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"time"

	"fairlead/api/auth"
	"fairlead/api/openapi"
	"fairlead/regions/fault"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"
)

// Parts is everything a server calls. All but Console, Metrics, TLS and
// Loopback must be set.
type Parts struct {
	Overview      Overview
	Explainer     Explainer
	Overrider     Overrider
	Freezer       Freezer
	Glass         GlassBreaker
	Library       Library
	Runs          Runs
	Commander     Commander
	Auditor       Auditor
	Archivist     Archivist
	Historian     Historian
	Configuration Configuration
	Readiness     Readiness
	Gate          *auth.Gate
	Stream        *Stream // what others publish, watchers read
	Log           *slog.Logger

	Node     string       // for messages
	Console  http.Handler // answers what no route does; nil: a sentence
	Metrics  http.Handler // nil: no /metrics
	TLS      *tls.Config  // nil: plain HTTP
	Loopback bool         // the listener takes callers of this machine only
}

// Server is the HTTP interface of one node.
type Server struct {
	Parts
	node     string
	log      *slog.Logger
	document *openapi3.T
	json     []byte
	failures *auth.Failures
	notes    *rate.Limiter
	cross    *http.CrossOriginProtection
	handler  http.Handler
}

var _ openapi.ServerInterface = (*Server)(nil)

// Time-outs and limits of every connection. A stream of events lifts the one
// for writing, event by event.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 30 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	closeTimeout   = 3 * time.Second
	maxHeaderBytes = 64 << 10
	maxBody        = 1 << 20
)

// New checks the parts and wires the routes. It fails if a part is missing or
// the document is broken, both of which are bugs.
func New(p Parts) (*Server, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	doc, err := openapi.Document()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write the API's document as JSON: %w", err)
	}
	s := &Server{Parts: p, node: p.Node, log: p.Log, document: doc, json: text,
		failures: auth.NewFailures(), notes: newNotes(), cross: http.NewCrossOriginProtection()}
	if s.handler, err = s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}

func (p Parts) check() error {
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		switch f := v.Type().Field(i); f.Name {
		case "Console", "Metrics", "TLS", "Loopback", "Node":
		default:
			if v.Field(i).IsNil() {
				return fmt.Errorf("api: the part %s is missing", f.Name)
			}
		}
	}
	return nil
}

// Handler is all of the interface, for tests and for other servers.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves on ln until ctx ends and every request has ended or was cut off,
// and keeps the live picture of the watchers up to date.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	serving, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		TLSConfig:         s.TLS,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// Streams end with it, so that shutting down does not wait for them.
		BaseContext: func(net.Listener) context.Context { return serving },
	}
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		s.draw(serving)
	}()
	served := make(chan error, 1)
	go func() {
		if s.TLS != nil {
			served <- srv.ServeTLS(ln, "", "")
			return
		}
		served <- srv.Serve(ln)
	}()
	var err error
	select {
	case <-ctx.Done():
		cancel(nil)
		closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer done()
		if srv.Shutdown(closing) != nil {
			_ = srv.Close() // who has not ended by now is cut off
		}
		<-served
	case err = <-served:
		cancel(err)
		_ = srv.Close()
	}
	<-drawn
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API on %s: %w", ln.Addr(), err)
	}
	return nil
}

// CheckListen refuses to listen for other machines while nobody has a token:
// who reaches the port would be in command.
func CheckListen(addr net.Addr, tokens int) error {
	if IsLoopback(addr) || tokens > 0 {
		return nil
	}
	return fault.Deniedf("listen on "+addr.String(), "other machines could reach the API, and there are no tokens").
		Do("create one first (fairlead token create --into FILE, and tokens_file: FILE in the configuration), or listen on 127.0.0.1")
}

// IsLoopback reports whether only this machine can reach a listener there.
func IsLoopback(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

func (s *Server) routes() (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	if err := e.SetTrustedProxies(nil); err != nil {
		return nil, fmt.Errorf("trust no proxy: %w", err)
	}
	e.Use(s.recovered, s.headers, s.logged, s.identify)
	checked := e.Group("/", s.permit, s.bounded, s.validated)
	openapi.RegisterHandlersWithOptions(checked, s, openapi.GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, _ int) { s.fail(c, fault.Invalidf("request", "%v", err)) },
	})
	e.GET("/livez", s.live)
	e.GET("/readyz", s.ready)
	if s.Metrics != nil {
		e.GET("/metrics", s.metrics)
	}
	e.NoRoute(s.elsewhere)
	e.NoMethod(s.wrongMethod)
	return e, nil
}

func newRequestID() string {
	b := make([]byte, 6)
	rand.Read(b)
	return hex.EncodeToString(b)
}
