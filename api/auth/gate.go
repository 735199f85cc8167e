package auth

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"fairlead/regions/fault"

	"golang.org/x/time/rate"
)

// Store keeps the tokens that are decided, the same on every node. Tokens
// fails with fault.Unavailable while it cannot be reached.
type Store interface {
	Tokens(context.Context) ([]Token, error)
	PutToken(ctx context.Context, t Token, by string) error
	RevokeToken(ctx context.Context, id, by string) error
}

// A node relies on what it last read of the store for the time remembered: a
// token revoked on another node works here for that long at most, unless the
// store is gone. A token made on another node works here at once.
const (
	remembered = 2 * time.Second
	patience   = 500 * time.Millisecond // for one look at the store
	backoff    = 5 * time.Second        // after it did not answer

	// A token that is not known may be new: then the store is asked at once,
	// this many times a second at most.
	looks = 20
)

// Gate tells who somebody is.
type Gate struct {
	store    Store // nil if tokens come from the file alone
	loopback bool  // the listener takes callers of this machine only
	sessions *sessions
	log      *slog.Logger

	mu     sync.Mutex
	file   []Token
	cached []Token
	known  bool      // the store was read at least once
	askAt  time.Time // when to ask the store again
	down   bool      // it did not answer when last asked
	fresh  *rate.Limiter
}

// NewGate makes a gate. Loopback says that only this machine can call; then,
// and only while there are no tokens, everybody is [Local].
func NewGate(file []Token, store Store, loopback bool, log *slog.Logger) *Gate {
	return &Gate{store: store, loopback: loopback, sessions: newSessions(), log: log, file: file, fresh: rate.NewLimiter(looks, looks)}
}

// SetFile replaces the tokens of the file, after a reload.
func (g *Gate) SetFile(tokens []Token) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.file = tokens
}

// Tokens returns all tokens, those of the file first. What the store last said
// is good enough while it cannot be asked; known is false if it never was.
func (g *Gate) Tokens(ctx context.Context) (tokens []Token, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.store == nil {
		return slices.Clone(g.file), true
	}
	if !time.Now().Before(g.askAt) {
		asking, cancel := context.WithTimeout(ctx, patience)
		read, err := g.store.Tokens(asking)
		cancel()
		switch {
		case err == nil:
			g.cached, g.known, g.down = read, true, false
			g.askAt = time.Now().Add(remembered)
		case ctx.Err() != nil: // the caller left; that says nothing of the store
		default:
			// A store that is gone is not asked at each request.
			g.askAt, g.down = time.Now().Add(backoff), true
			g.log.Warn("tokens could not be read from the store; the last ones known stay good", "known", len(g.cached), "err", err)
		}
	}
	return append(slices.Clone(g.file), g.cached...), g.known
}

// ByToken signs in with the text of a token.
func (g *Gate) ByToken(ctx context.Context, text string) (Principal, error) {
	t, err := g.match(ctx, text)
	if err != nil {
		return Principal{}, err
	}
	return t.principal(ByToken), nil
}

func (g *Gate) match(ctx context.Context, text string) (Token, error) {
	id, secret, ok := split(text)
	tokens, known := g.Tokens(ctx)
	if ok && !slices.ContainsFunc(tokens, func(t Token) bool { return t.ID == id }) && g.lookAgain() {
		tokens, known = g.Tokens(ctx)
	}
	var candidate Token // if none has the id, a token that no secret fits: it takes as long
	found := false
	for _, t := range tokens {
		if t.ID == id {
			candidate, found = t, true
			break
		}
	}
	if fits := candidate.matches(secret); ok && found && fits {
		return candidate, nil
	}
	if !found && !known {
		return Token{}, fault.Unavailablef("sign-in", "this token is not in the tokens file, and the store cannot be asked").
			Do("use a token of this node's tokens file, or try again when the store is back")
	}
	return Token{}, fault.Deniedf("sign-in", "the token is not known or was revoked").Do("check the token file, or ask an admin for a new token")
}

// Anonymous is who somebody is that sent nothing: Local on loopback without
// tokens, else an error that says how to sign in.
func (g *Gate) Anonymous(ctx context.Context) (Principal, error) {
	tokens, known := g.Tokens(ctx)
	switch {
	case !g.loopback || len(tokens) > 0:
		return Principal{}, fault.Deniedf("request", "nobody is signed in").
			Do("send a token (fairlead: --token-file FILE), or sign in to the console")
	case !known:
		return watcher(), nil
	}
	return Local(), nil
}

// Create makes a token in the store and returns its text, once.
func (g *Gate) Create(ctx context.Context, name string, roles []Role, only []Scope) (Token, string, error) {
	if g.store == nil {
		return Token{}, "", fault.Invalidf("token "+name, "this node has no store to keep tokens in").Do("add it to the tokens file")
	}
	by := From(ctx)
	t, text, err := Mint(name, roles, only, by.Name, time.Now())
	if err != nil {
		return Token{}, "", err
	}
	if tokens, known := g.Tokens(ctx); known && len(tokens) == 0 && (!slices.Contains(roles, Admin) || len(only) > 0) {
		return Token{}, "", fault.Conflictf("token "+name, "the first token must be an admin's: with it everybody without one is locked out").
			Do("create an admin token first")
	}
	if err := g.store.PutToken(ctx, t, by.Name); err != nil {
		return Token{}, "", err
	}
	g.Renew()
	return t, text, nil
}

// Revoke ends a token. Its sessions end with it.
func (g *Gate) Revoke(ctx context.Context, id string) error {
	tokens, _ := g.Tokens(ctx)
	i := slices.IndexFunc(tokens, func(t Token) bool { return t.ID == id })
	switch {
	case i < 0:
		return fault.NotFoundf("token "+id, "there is no such token").Do("see fairlead token list")
	case tokens[i].Source == FromFile:
		return fault.Conflictf("token "+id, "comes from the tokens file").Do("remove it from that file; the node reads it again")
	}
	admin := func(t Token) bool { return slices.Contains(t.Roles, Admin) && len(t.Only) == 0 }
	rest := slices.Delete(slices.Clone(tokens), i, i+1)
	if admin(tokens[i]) && len(rest) > 0 && !slices.ContainsFunc(rest, admin) {
		return fault.Conflictf("token "+id, "is the last admin's: nobody could create or revoke tokens any more").
			Do("create another admin token first, or revoke this one last")
	}
	if err := g.store.RevokeToken(ctx, id, From(ctx).Name); err != nil {
		return err
	}
	g.Renew()
	return nil
}

// lookAgain makes the next question ask the store, if it may be asked.
func (g *Gate) lookAgain() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.store == nil || g.down || !g.fresh.Allow() {
		return false
	}
	g.askAt = time.Time{}
	return true
}

// Renew makes the next question ask the store, for who knows that it is back
// or has changed.
func (g *Gate) Renew() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.askAt = time.Time{}
}
