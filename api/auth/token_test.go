package auth_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/api/auth"
	"fairlead/regions/fault"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// store is a store of tokens that can be lost.
type store struct {
	mu     sync.Mutex
	tokens []auth.Token
	lost   bool
	asked  int
}

func (s *store) Tokens(context.Context) ([]auth.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.lost {
		return nil, fault.Unavailablef("store", "is gone")
	}
	return append([]auth.Token(nil), s.tokens...), nil
}

func (s *store) PutToken(_ context.Context, t auth.Token, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, t)
	return nil
}

func (s *store) RevokeToken(_ context.Context, id, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.tokens {
		if t.ID == id {
			s.tokens = append(s.tokens[:i], s.tokens[i+1:]...)
		}
	}
	return nil
}

func mint(t *testing.T, name string, roles ...auth.Role) (auth.Token, string) {
	t.Helper()
	token, text, err := auth.Mint(name, roles, nil, "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return token, text
}

func TestOnlyAHashOfTheSecretIsKept(t *testing.T) {
	token, text := mint(t, "alice", auth.Admin)
	id, secret, _ := strings.Cut(text, ".")
	if id != token.ID || len(secret) < 43 || strings.Contains(fmt.Sprintf("%+v", token), secret) {
		t.Errorf("token %+v of %q: want 256 bits of secret, none of it kept", token, text)
	}
	_, other := mint(t, "alice", auth.Admin)
	if other == text {
		t.Error("two tokens are the same")
	}
}

func TestATokenSignsInAndNothingElseDoes(t *testing.T) {
	token, text := mint(t, "alice", auth.Operator)
	_, stranger := mint(t, "eve", auth.Admin)
	g := auth.NewGate([]auth.Token{token}, nil, true, quiet)
	p, err := g.ByToken(t.Context(), text)
	if err != nil || p.Name != "alice" || p.Method != auth.ByToken || p.TokenID != token.ID {
		t.Errorf("ByToken = %+v, %v", p, err)
	}
	_, secret, _ := strings.Cut(stranger, ".")
	for _, bad := range []string{"", ".", "x", token.ID, token.ID + ".", "." + secret, token.ID + "." + secret, stranger, text + "x", strings.Repeat("x", 1<<20)} {
		if p, err := g.ByToken(t.Context(), bad); !fault.Is(err, fault.Denied) || p.Name != "" {
			t.Errorf("ByToken(%.40q) = %+v, %v; want a refusal", bad, p, err)
		}
	}
}

func TestTheLocalPrincipalEndsWithTheFirstToken(t *testing.T) {
	s := &store{}
	g := auth.NewGate(nil, s, true, quiet)
	if p, err := g.Anonymous(t.Context()); err != nil || p.Name != "local" || !p.May(auth.Tokens) || p.Note == "" {
		t.Errorf("without tokens, anonymous is %+v, %v", p, err)
	}
	ctx := auth.With(t.Context(), auth.Local())
	if _, _, err := g.Create(ctx, "bob", []auth.Role{auth.Viewer}, nil); !fault.Is(err, fault.Conflict) {
		t.Errorf("a first token that is no admin's: %v, want a conflict", err)
	}
	if _, _, err := g.Create(ctx, "alice", []auth.Role{auth.Admin}, nil); err != nil {
		t.Fatal(err)
	}
	if p, err := g.Anonymous(t.Context()); err == nil {
		t.Errorf("with a token, anonymous is %+v", p)
	}
	if p, err := auth.NewGate(nil, &store{}, false, quiet).Anonymous(t.Context()); err == nil {
		t.Errorf("off loopback, anonymous is %+v", p)
	}
}

func TestALostStoreTakesNobodysAccessAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inFile, fileText := mint(t, "alice", auth.Admin)
		inStore, storeText := mint(t, "bob", auth.Operator)
		s := &store{tokens: []auth.Token{inStore}}
		g := auth.NewGate([]auth.Token{inFile}, s, true, quiet)
		if _, err := g.ByToken(t.Context(), storeText); err != nil {
			t.Fatal(err)
		}
		s.lost = true
		time.Sleep(time.Hour)
		for _, text := range []string{fileText, storeText} {
			if p, err := g.ByToken(t.Context(), text); err != nil {
				t.Errorf("%s, an hour after the store was lost: %v", p.Name, err)
			}
		}
		asked := s.asked
		for range 1000 {
			_, _ = g.ByToken(t.Context(), fileText)
		}
		if s.asked != asked {
			t.Errorf("a lost store was asked %d times for 1000 requests at one instant", s.asked-asked)
		}
	})
}

func TestBeforeTheStoreWasEverReadAnUnknownTokenIsNotCalledWrong(t *testing.T) {
	s := &store{lost: true}
	g := auth.NewGate(nil, s, true, quiet)
	_, text := mint(t, "bob", auth.Operator)
	if _, err := g.ByToken(t.Context(), text); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	p, err := g.Anonymous(t.Context())
	if err != nil || p.May(auth.Drain) || !p.May(auth.View) {
		t.Errorf("anonymous is %+v, %v; want one who may only look", p, err)
	}
	if err := p.Allow(auth.Drain, auth.Object{}); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "store") {
		t.Errorf("its drain is refused with %v, want unavailable: time may show that there are no tokens", err)
	}
}

func TestAStoreThatIsBackIsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{lost: true}
		g := auth.NewGate(nil, s, true, quiet)
		g.Tokens(t.Context())
		s.lost = false
		g.Renew()
		if p, err := g.Anonymous(t.Context()); err != nil || !p.May(auth.Drain) {
			t.Errorf("once the store has no tokens, anonymous is %+v, %v; want one who may drain", p, err)
		}
	})
}

func TestTokensOfOtherNodesWorkAtOnceAndEndInTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		admin, _ := mint(t, "root", auth.Admin)
		s := &store{tokens: []auth.Token{admin}}
		g := auth.NewGate(nil, s, true, quiet)
		g.Tokens(t.Context())
		token, text := mint(t, "bob", auth.Operator)
		s.tokens = append(s.tokens, token) // as another node would
		if _, err := g.ByToken(t.Context(), text); err != nil {
			t.Errorf("a token made elsewhere: %v", err)
		}
		s.tokens = s.tokens[:1]
		time.Sleep(2 * time.Second)
		if p, err := g.ByToken(t.Context(), text); err == nil {
			t.Errorf("two seconds after it was revoked elsewhere it signs in %s", p.Name)
		}
	})
}

func TestSessionsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token, text := mint(t, "alice", auth.Operator)
		g := auth.NewGate([]auth.Token{token}, nil, true, quiet)
		p, cookie, err := g.NewSession(t.Context(), text)
		if err != nil || p.Method != auth.BySession || strings.Contains(cookie, text) {
			t.Fatalf("NewSession = %+v, %q, %v", p, cookie, err)
		}
		time.Sleep(auth.SessionTime - 2*time.Second)
		if p, err := g.BySession(t.Context(), cookie); err != nil || p.Name != "alice" {
			t.Errorf("just before its end: %+v, %v", p, err)
		}
		time.Sleep(3 * time.Second)
		if _, err := g.BySession(t.Context(), cookie); err == nil {
			t.Error("a session outlived its end")
		}
	})
}

func TestSessionsAreSignedByThisNodeAlone(t *testing.T) {
	token, text := mint(t, "alice", auth.Operator)
	g, other := auth.NewGate([]auth.Token{token}, nil, true, quiet), auth.NewGate([]auth.Token{token}, nil, true, quiet)
	_, cookie, err := g.NewSession(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	body, sum, _ := strings.Cut(cookie, ".")
	for name, forged := range map[string]string{"empty": "", "unsigned": body, "signed by nobody": body + ".", "altered": "A" + body[1:] + "." + sum, "garbage": "\x00.\xff"} {
		if p, err := g.BySession(t.Context(), forged); err == nil {
			t.Errorf("a cookie that is %s signs in %s", name, p.Name)
		}
	}
	if p, err := other.BySession(t.Context(), cookie); err == nil {
		t.Errorf("another node takes the cookie of %s", p.Name)
	}
	g.EndSession(cookie)
	if _, err := g.BySession(t.Context(), cookie); err == nil {
		t.Error("the cookie works after signing out")
	}
	// A token that was replaced under the same id does not inherit sessions.
	_, cookie, _ = g.NewSession(t.Context(), text)
	replaced, _ := mint(t, "mallory", auth.Admin)
	replaced.ID = token.ID
	g.SetFile([]auth.Token{replaced})
	if p, err := g.BySession(t.Context(), cookie); err == nil {
		t.Errorf("the session of a replaced token signs in %s", p.Name)
	}
}

func TestTokensFile(t *testing.T) {
	sum := sha256.Sum256([]byte("open-sesame"))
	good := fmt.Sprintf("tokens:\n  - id: a1\n    name: alice\n    roles: [operator, approver]\n    only: [database/orders]\n    sha256: %s\n", hex.EncodeToString(sum[:]))
	tokens, err := auth.ParseFile("tokens.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	g := auth.NewGate(tokens, nil, true, quiet)
	if p, err := g.ByToken(t.Context(), "a1.open-sesame"); err != nil || p.Name != "alice" || len(p.Roles) != 2 || len(p.Only) != 1 {
		t.Errorf("ByToken = %+v, %v", p, err)
	}
	text, err := auth.FormatFile(tokens)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := auth.ParseFile("again", text); err != nil || again[0].Hash != tokens[0].Hash || again[0].Only[0] != tokens[0].Only[0] {
		t.Errorf("written and read again: %+v, %v", again, err)
	}
	hash := hex.EncodeToString(sum[:])
	tests := []struct{ name, text, want string }{
		{"a field that is not known", "tokens:\n  - id: a\n    nmae: alice\n", "unknown field"},
		{"a role that is none", "tokens:\n  - {id: a, name: alice, roles: [root], sha256: " + hash + "}\n", "root"},
		{"no role", "tokens:\n  - {id: a, name: alice, sha256: " + hash + "}\n", "no role"},
		{"no name", "tokens:\n  - {id: a, roles: [viewer], sha256: " + hash + "}\n", "needs the name"},
		{"a hash that is none", "tokens:\n  - {id: a, name: alice, roles: [viewer], sha256: hunter2}\n", "64 hexadecimal digits"},
		{"an id with a dot", "tokens:\n  - {id: a.b, name: alice, roles: [viewer], sha256: " + hash + "}\n", "dot"},
		{"an id that is there twice", "tokens:\n  - {id: a, name: alice, roles: [viewer], sha256: " + hash + "}\n  - {id: a, name: bob, roles: [viewer], sha256: " + hash + "}\n", "twice"},
		{"a file's name", "tokens:\n  - {id: a, name: configuration@n1, roles: [viewer], sha256: " + hash + "}\n", "Fairlead itself"},
		{"a machine's name", "tokens:\n  - {id: a, name: engine@n1, roles: [viewer], sha256: " + hash + "}\n", "Fairlead itself"},
		{"no YAML", "tokens: [", "tokens file"},
	}
	for _, tt := range tests {
		_, err := auth.ParseFile("tokens.yaml", []byte(tt.text))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.name, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), hash) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: the error repeats a hash: %v", tt.name, err)
		}
	}
}

func TestFailuresAreCountedByHost(t *testing.T) {
	f := auth.NewFailures()
	now := time.Now()
	here, there := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")
	for i := range 10 {
		if ok, _ := f.Add(here, now); !ok {
			t.Errorf("failure %d of ten is refused", i+1)
		}
	}
	if ok, wait := f.Add(netip.MustParseAddr("2001:db8::2"), now); ok || wait != 6*time.Second {
		t.Errorf("the eleventh, from the same network: %v, wait %v", ok, wait)
	}
	if ok, _ := f.Add(there, now); !ok {
		t.Error("another host is refused")
	}
	if ok, _ := f.Add(here, now.Add(7*time.Second)); !ok {
		t.Error("refused after the wait")
	}
}
