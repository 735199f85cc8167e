package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"fairlead/api/auth"
	"fairlead/regions/fault"
)

var _ auth.Store = (*Store)(nil)

// token is what lies under a token's key. The secret is nowhere.
type token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Roles     []string  `json:"roles"`
	Only      []string  `json:"only,omitempty"`
	SHA256    string    `json:"sha256"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
}

// Tokens implements [auth.Store].
func (s *Store) Tokens(ctx context.Context) ([]auth.Token, error) {
	page, err := s.kv.Range(ctx, Query{Span: Prefix(tokensAt)})
	if err != nil {
		return nil, fmt.Errorf("list the tokens: %w", err)
	}
	var tokens []auth.Token
	for _, p := range page.Pairs {
		var stored token
		if err := parse(p, &stored); err != nil {
			return nil, err
		}
		t, err := stored.token()
		if err != nil {
			return nil, fault.New(fault.Internal, "token "+stored.ID, "cannot be read").Because(err).Do("revoke it and create another")
		}
		tokens = append(tokens, t)
	}
	return tokens, nil
}

func (t token) token() (auth.Token, error) {
	out := auth.Token{ID: t.ID, Name: t.Name, CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy, Source: auth.FromStore}
	for _, text := range t.Roles {
		r, err := auth.ParseRole(text)
		if err != nil {
			return out, err
		}
		out.Roles = append(out.Roles, r)
	}
	for _, text := range t.Only {
		o, err := auth.ParseScope(text)
		if err != nil {
			return out, err
		}
		out.Only = append(out.Only, o)
	}
	sum, err := hex.DecodeString(t.SHA256)
	if err == nil && len(sum) != len(out.Hash) {
		err = fmt.Errorf("a hash of %d bytes", len(sum))
	}
	copy(out.Hash[:], sum)
	return out, err
}

// PutToken implements [auth.Store].
func (s *Store) PutToken(ctx context.Context, t auth.Token, by string) error {
	stored := token{ID: t.ID, Name: t.Name, SHA256: hex.EncodeToString(t.Hash[:]), CreatedAt: t.CreatedAt, CreatedBy: by}
	for _, r := range t.Roles {
		stored.Roles = append(stored.Roles, string(r))
	}
	for _, o := range t.Only {
		stored.Only = append(stored.Only, o.String())
	}
	_, err := s.decide(ctx, Lease{}, func(ctx context.Context) (*decision, error) {
		return &decision{
			Entry: Entry{Principal: by, Act: "token.create", Subject: "token " + t.ID,
				Sentence: fmt.Sprintf("%s created a token for %s with the roles %v", by, t.Name, stored.Roles)},
			If:  []Compare{Absent(tokenKey(t.ID))},
			Put: []Pair{{Key: tokenKey(t.ID), Value: encode(stored)}},
		}, nil
	})
	return wrap(err, "create a token for %s", t.Name)
}

// RevokeToken implements [auth.Store].
func (s *Store) RevokeToken(ctx context.Context, id, by string) error {
	_, err := s.decide(ctx, Lease{}, func(ctx context.Context) (*decision, error) {
		var stored token
		ok, err := s.load(ctx, tokenKey(id), &stored)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fault.NotFoundf("token "+id, "there is none of that name in the store").Do("see fairlead token list")
		}
		return &decision{
			Entry: Entry{Principal: by, Act: "token.revoke", Subject: "token " + id,
				Sentence: fmt.Sprintf("%s revoked the token %s of %s", by, id, stored.Name)},
			Delete: []string{tokenKey(id)},
		}, nil
	})
	return wrap(err, "revoke token %s", id)
}
