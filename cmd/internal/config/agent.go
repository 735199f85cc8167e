package config

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"fairlead/providers/postgres/agent"
	"fairlead/regions/fault"
)

// Agent is the configuration of an agent beside a database.
type Agent struct {
	// Certificates is the directory of its certificate (fairlead certs --role agent).
	Certificates string `yaml:"certificates"`
	agent.Config `yaml:",inline"`
}

// LoadAgent reads an agent's file. Paths in it are relative to the file.
func LoadAgent(path string) (*Agent, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Invalidf("agent's configuration "+path, "cannot be read: %v", plain(err)).Do("give the path of its YAML file")
	}
	var a Agent
	if err := yaml.NewDecoder(strings.NewReader(string(text)), yaml.Strict()).Decode(&a); err != nil && !errors.Is(err, io.EOF) {
		return nil, Problems{syntaxProblem(path, err)}
	}
	for _, p := range []*string{&a.Certificates, &a.DataDir, &a.StateDir, &a.ConfigFile, &a.LogFile, &a.SocketDir} {
		*p = relative(path, *p)
	}
	if a.Certificates == "" {
		return nil, Problems{{File: path, What: "certificates is not set", Remedy: "make a certificate with fairlead certs --role agent and name its directory"}}
	}
	return &a, nil
}
