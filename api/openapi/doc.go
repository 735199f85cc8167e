// Package openapi is the contract of the HTTP interface: one document, and
// the Go code that is generated from it.
//
// openapi.yaml is the source of truth. The routes of the server, the types
// that travel and the typed client are generated from it and committed; the
// server validates each request against it and serves it, so what is written
// there cannot drift from what happens.
//
// The surprising choice: optional numbers whose zero means something (a lag of
// 0 bytes) are pointers, everything else optional is a plain value that is
// left out when it is zero.
package openapi

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed openapi.yaml
var source []byte

// Source returns the document as it is written, in YAML.
func Source() []byte { return source }

// Document returns the document, parsed and checked. It is one for the whole
// process: read it, and never change it. An error is a bug in the document,
// which a test finds first.
func Document() (*openapi3.T, error) { return parsed() }

var parsed = sync.OnceValues(func() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(source)
	if err != nil {
		return nil, fmt.Errorf("load openapi.yaml: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("check openapi.yaml: %w", err)
	}
	return doc, nil
})
