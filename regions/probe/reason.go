package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// MaxReason is how many bytes of a reason travel.
const MaxReason = 48

// reason says in a few words why a check failed. timeout is the check's own:
// whatever ended because of it is a timeout, however the network words it.
func reason(err error, timedOut bool, timeout time.Duration) string {
	if d := Degraded(""); errors.As(err, &d) {
		return Shorten(string(d))
	}
	if timedOut {
		return "timeout after " + timeout.String()
	}
	var (
		dns  *net.DNSError
		pg   *pgconn.PgError
		cert *tls.CertificateVerificationError
		path *os.PathError
		ne   net.Error
	)
	switch {
	case errors.As(err, &pg):
		return Shorten(pg.Message)
	case errors.As(err, &path) && path.Op == "open":
		return Shorten("cannot read " + path.Path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to host"
	case errors.Is(err, syscall.ENOENT):
		return "no such socket"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many open files on this node"
	case errors.As(err, &dns):
		return Shorten("cannot resolve " + dns.Name)
	case errors.As(err, &cert):
		return Shorten("certificate: " + certificate(cert.Err))
	case errors.As(err, new(tls.RecordHeaderError)):
		return "does not speak TLS"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	}
	return Shorten(err.Error())
}

func certificate(err error) string {
	var (
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "expired"
	case errors.As(err, &host):
		return "for another name"
	case errors.As(err, &unknown):
		return "unknown authority"
	}
	return err.Error()
}

// Shorten cuts a text to MaxReason bytes on one line, between characters.
func Shorten(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) <= MaxReason {
		return s
	}
	const mark = "…"
	end := MaxReason - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
