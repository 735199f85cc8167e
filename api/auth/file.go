package auth

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"fairlead/regions/fault"

	"github.com/goccy/go-yaml"
)

// fileToken is one entry of a tokens file:
//
//	tokens:
//	  - id: alice-1
//	    name: alice
//	    roles: [operator]
//	    only: [database/orders]      # optional
//	    sha256: 9f86d0…              # of the secret: printf %s SECRET | sha256sum
type fileToken struct {
	ID     string   `yaml:"id"`
	Name   string   `yaml:"name"`
	Roles  []string `yaml:"roles"`
	Only   []string `yaml:"only,omitempty"`
	SHA256 string   `yaml:"sha256"`
}

type tokensFile struct {
	Tokens []fileToken `yaml:"tokens"`
}

// ParseFile reads a tokens file. It fails with all problems at once, and never
// repeats a hash.
func ParseFile(name string, text []byte) ([]Token, error) {
	var f tokensFile
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		// The library shows the lines around a problem; hashes stand in them.
		first, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fault.Invalidf("tokens file "+name, "%s", first).Do("each entry has id, name, roles and sha256")
	}
	var tokens []Token
	var problems []error
	seen := map[string]bool{}
	for i, entry := range f.Tokens {
		t, err := entry.token()
		if err == nil && seen[t.ID] {
			err = fault.Invalidf("token "+t.ID, "is there twice").Do("give each its own id")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("entry %d: %w", i+1, err))
			continue
		}
		seen[t.ID] = true
		tokens = append(tokens, t)
	}
	if len(problems) > 0 {
		return nil, fault.Invalidf("tokens file "+name, "%d of %d entries are wrong", len(problems), len(f.Tokens)).
			Because(errors.Join(problems...))
	}
	return tokens, nil
}

// FormatFile is the inverse of [ParseFile].
func FormatFile(tokens []Token) ([]byte, error) {
	var f tokensFile
	for _, t := range tokens {
		entry := fileToken{ID: t.ID, Name: t.Name, SHA256: hex.EncodeToString(t.Hash[:])}
		for _, r := range t.Roles {
			entry.Roles = append(entry.Roles, string(r))
		}
		for _, s := range t.Only {
			entry.Only = append(entry.Only, s.String())
		}
		f.Tokens = append(f.Tokens, entry)
	}
	return yaml.Marshal(f)
}

func (e fileToken) token() (Token, error) {
	subject := "token " + e.ID
	if e.ID == "" || strings.ContainsAny(e.ID, ". \t\n") {
		return Token{}, fault.Invalidf(subject, "has an empty id or one with a dot or blank").Do("the id is what stands before the dot of id.secret")
	}
	t := Token{ID: e.ID, Name: e.Name, Source: FromFile}
	for _, text := range e.Roles {
		r, err := ParseRole(text)
		if err != nil {
			return Token{}, fmt.Errorf("%s: %w", subject, err)
		}
		t.Roles = append(t.Roles, r)
	}
	for _, text := range e.Only {
		s, err := ParseScope(text)
		if err != nil {
			return Token{}, fmt.Errorf("%s: %w", subject, err)
		}
		t.Only = append(t.Only, s)
	}
	if err := checkToken(t.Name, t.Roles); err != nil {
		return Token{}, fmt.Errorf("%s: %w", subject, err)
	}
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil || len(sum) != len(t.Hash) {
		return Token{}, fault.Invalidf(subject, "sha256 is not 64 hexadecimal digits").Do("printf %%s SECRET | sha256sum")
	}
	copy(t.Hash[:], sum)
	return t, nil
}
