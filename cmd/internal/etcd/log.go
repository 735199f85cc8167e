package etcd

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// casualty hears etcd's last words. etcd ends the whole process on a failed
// disk; here only the goroutine that found out ends, and everybody else is
// told.
type casualty struct {
	once sync.Once
	dead chan struct{}
	err  *lastWords
}

func newCasualty() *casualty { return &casualty{dead: make(chan struct{})} }

// words returns what was said last, or nil while nothing was.
func (c *casualty) words() error {
	select {
	case <-c.dead:
		return c.err
	default:
		return nil
	}
}

// lastWords is a fatal message of etcd with its cause.
type lastWords struct {
	message string
	err     error
}

func (w *lastWords) Error() string {
	if w.err == nil {
		return w.message
	}
	return w.message + ": " + w.err.Error()
}

func (w *lastWords) Unwrap() error { return w.err }

// OnWrite implements [zapcore.CheckWriteHook].
func (c *casualty) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	words := &lastWords{message: e.Message}
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			words.err = err
		}
	}
	c.once.Do(func() {
		c.err = words
		close(c.dead)
	})
	runtime.Goexit()
}

// logger returns what etcd logs to.
func (c *casualty) logger(to *slog.Logger) *zap.Logger {
	return zap.New(&bridge{to: to}, zap.WithFatalHook(c), zap.WithPanicHook(c))
}

// bridge carries zap's entries to slog. etcd is chatty and warns of what
// heals by itself, so that only its errors are worth a person's look.
type bridge struct {
	to   *slog.Logger
	with []zapcore.Field
}

// harmless are errors that etcd reports whenever it is closed.
var harmless = []string{"http: Server closed", "mux: server closed", "grpc: the server has been stopped", "missing term information", "use of closed network connection", "etcdserver: server stopped", "context canceled"}

func level(l zapcore.Level) slog.Level {
	switch {
	case l < zapcore.ErrorLevel:
		return slog.LevelDebug
	case l == zapcore.ErrorLevel:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// Enabled implements [zapcore.Core].
func (b *bridge) Enabled(l zapcore.Level) bool {
	return b.to.Enabled(context.Background(), level(l))
}

// With implements [zapcore.Core].
func (b *bridge) With(fields []zapcore.Field) zapcore.Core {
	return &bridge{to: b.to, with: append(append([]zapcore.Field(nil), b.with...), fields...)}
}

// Check implements [zapcore.Core].
func (b *bridge) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return ce.AddCore(e, b)
	}
	return ce
}

// Write implements [zapcore.Core].
func (b *bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range append(append([]zapcore.Field(nil), b.with...), fields...) {
		f.AddTo(values)
	}
	at := level(e.Level)
	attrs := []slog.Attr{slog.String("said", e.Message)}
	for key, v := range values.Fields {
		if text, ok := v.(string); ok && at == slog.LevelWarn {
			for _, h := range harmless {
				if strings.Contains(text, h) {
					at = slog.LevelDebug
				}
			}
		}
		attrs = append(attrs, slog.Any(key, v))
	}
	b.to.LogAttrs(context.Background(), at, "etcd", attrs...)
	return nil
}

// Sync implements [zapcore.Core].
func (b *bridge) Sync() error { return nil }
