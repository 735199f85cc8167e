package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"fairlead/regions/fault"
)

// SessionTime is how long a session lasts at most: one shift.
const SessionTime = 12 * time.Hour

// sessions signs and checks session cookies. The key lives in memory alone: a
// restart signs everybody out, and there is no file to steal.
type sessions struct {
	key [32]byte

	mu    sync.Mutex
	ended map[string]time.Time // nonce of a session that was signed out → its end
}

func newSessions() *sessions {
	s := &sessions{ended: map[string]time.Time{}}
	rand.Read(s.key[:])
	return s
}

// session is what a cookie says. It names the token it came from, so that it
// ends with it, and a part of its hash, so that a token replaced under the
// same id does not inherit it.
type session struct {
	Token   string    `json:"t"`
	Print   string    `json:"p"`
	Nonce   string    `json:"n"`
	Expires time.Time `json:"e"`
}

func fingerprint(t Token) string { return base64.RawURLEncoding.EncodeToString(t.Hash[:8]) }

// NewSession exchanges the text of a token for a cookie's value.
func (g *Gate) NewSession(ctx context.Context, text string) (Principal, string, error) {
	t, err := g.match(ctx, text)
	if err != nil {
		return Principal{}, "", err
	}
	nonce := make([]byte, 12)
	rand.Read(nonce)
	s := session{Token: t.ID, Print: fingerprint(t), Nonce: base64.RawURLEncoding.EncodeToString(nonce), Expires: time.Now().Add(SessionTime).UTC().Truncate(time.Second)}
	p := t.principal(BySession)
	p.Expires = s.Expires
	return p, g.sessions.sign(s), nil
}

// BySession tells who a cookie's value belongs to.
func (g *Gate) BySession(ctx context.Context, cookie string) (Principal, error) {
	expired := fault.Deniedf("session", "has ended").Do("sign in again")
	s, ok := g.sessions.open(cookie)
	if !ok || !time.Now().Before(s.Expires) {
		return Principal{}, expired
	}
	tokens, _ := g.Tokens(ctx)
	for _, t := range tokens {
		if t.ID == s.Token && fingerprint(t) == s.Print {
			p := t.principal(BySession)
			p.Expires = s.Expires
			return p, nil
		}
	}
	return Principal{}, expired
}

// EndSession refuses the cookie from now on.
func (g *Gate) EndSession(cookie string) {
	if s, ok := g.sessions.open(cookie); ok {
		g.sessions.end(s)
	}
}

func (s *sessions) mac(body string) []byte {
	m := hmac.New(sha256.New, s.key[:])
	m.Write([]byte(body))
	return m.Sum(nil)
}

func (s *sessions) sign(v session) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and a time always marshal
	}
	body := base64.RawURLEncoding.EncodeToString(b)
	return body + "." + base64.RawURLEncoding.EncodeToString(s.mac(body))
}

func (s *sessions) open(cookie string) (v session, ok bool) {
	body, sum, _ := strings.Cut(cookie, ".")
	mac, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || !hmac.Equal(mac, s.mac(body)) {
		return session{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(b, &v) != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ended := s.ended[v.Nonce]
	return v, !ended
}

func (s *sessions) end(v session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for nonce, until := range s.ended {
		if time.Now().After(until) {
			delete(s.ended, nonce)
		}
	}
	s.ended[v.Nonce] = v.Expires
}
