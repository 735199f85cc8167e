package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"fairlead/regions/fault"
)

// Source is where a token is kept.
type Source string

const (
	FromFile  Source = "file"  // the tokens file of this node: works while the store does not
	FromStore Source = "store" // decided, the same on every node
)

const (
	secretBytes = 32 // 256 bits: nobody guesses them, so one hash is enough and stays cheap
	idBytes     = 6
	maxToken    = 256
)

// Token is what is kept of a token: everything but its secret.
type Token struct {
	ID        string
	Name      string // of the principal it signs in
	Roles     []Role
	Only      []Scope
	Hash      [sha256.Size]byte // SHA-256 of the secret's text
	CreatedAt time.Time
	CreatedBy string
	Source    Source
}

// Mint makes a token and its text, "id.secret". The text is nowhere else: it
// must be shown once and forgotten.
func Mint(name string, roles []Role, only []Scope, by string, now time.Time) (t Token, text string, err error) {
	if err := checkToken(name, roles); err != nil {
		return Token{}, "", err
	}
	id, secret := make([]byte, idBytes), make([]byte, secretBytes)
	rand.Read(id)     // never fails: crypto/rand ends the program instead
	rand.Read(secret) // likewise
	t = Token{ID: hex.EncodeToString(id), Name: name, Roles: roles, Only: only, CreatedAt: now.UTC(), CreatedBy: by, Source: FromStore}
	encoded := base64.RawURLEncoding.EncodeToString(secret)
	t.Hash = sha256.Sum256([]byte(encoded))
	return t, t.ID + "." + encoded, nil
}

func checkToken(name string, roles []Role) error {
	subject := "token " + name
	if name == "" {
		return fault.Invalidf("token", "needs the name of the person or program it is for").Do("give it a name")
	}
	if len(roles) == 0 {
		return fault.Invalidf(subject, "has no role").Do("give it viewer, operator, approver or admin")
	}
	for _, r := range roles {
		if _, err := ParseRole(string(r)); err != nil {
			return err
		}
	}
	// These names sign acts that no person did.
	if name == "local" || name == "system" || strings.HasPrefix(name, "engine@") || strings.HasPrefix(name, "configuration@") {
		return fault.Invalidf(subject, "is a name that Fairlead itself acts under").Do("use the person's name")
	}
	return nil
}

// split takes "id.secret" apart. It says nothing about whether they fit.
func split(text string) (id, secret string, ok bool) {
	if len(text) > maxToken {
		return "", "", false
	}
	id, secret, ok = strings.Cut(strings.TrimSpace(text), ".")
	return id, secret, ok && id != "" && secret != ""
}

// matches compares in a time that does not depend on the secret.
func (t Token) matches(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], t.Hash[:]) == 1
}

func (t Token) principal(m Method) Principal {
	return Principal{Name: t.Name, Roles: t.Roles, Only: t.Only, Method: m, TokenID: t.ID}
}
