package daemon

import (
	"fmt"
	"os"

	"fairlead/api/auth"
	"fairlead/regions/fault"
)

// readTokens reads the tokens file, if there is one. It is part of the
// configuration: the two are taken together, or neither.
func readTokens(path string) ([]auth.Token, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Invalidf("tokens file "+path, "cannot be read").Because(err).Do("make it with fairlead token create --into %s, or remove tokens_file", path)
	}
	tokens, err := auth.ParseFile(path, text)
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	return tokens, nil
}
