package daemon

import (
	"fmt"
	"os"

	"fairlead/api/auth"
	"fairlead/cmd/internal/config"
	"fairlead/regions/fault"
)

// readTokens reads the tokens file, if there is one.
func (n *Node) readTokens(c *config.Config) ([]auth.Token, error) {
	path := c.Node.TokensFile
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

// loadTokens takes the tokens of a newly read configuration; those in force
// stay if the file is wrong.
func (n *Node) loadTokens(c *config.Config) {
	tokens, err := n.readTokens(c)
	if err != nil {
		n.log.Error("tokens file refused, the tokens before stay good", "problem", err.Error())
		return
	}
	n.gate.SetFile(tokens)
}
