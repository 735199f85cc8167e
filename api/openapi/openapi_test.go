package openapi_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/api/openapi"
)

func TestTheDocumentIsValid(t *testing.T) {
	doc, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.0.3" {
		t.Errorf("openapi = %q, want 3.0.3", doc.OpenAPI)
	}
}

// What the handlers compile against must be what the document says.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	dir := t.TempDir()
	for _, part := range []string{"models", "server", "client"} {
		config, err := os.ReadFile("codegen-" + part + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, part+".gen.go")
		config = bytes.Replace(config, []byte("output: "+part+".gen.go"), []byte("output: "+out), 1)
		file := filepath.Join(dir, part+".yaml")
		if err := os.WriteFile(file, config, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "run", "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen", "-config", file, "openapi.yaml")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("generate %s: %v\n%s", part, err, text)
		}
		want, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(part + ".gen.go")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s.gen.go is not what openapi.yaml says (run go generate ./api/openapi)", part)
		}
	}
}

// Units belong into names, and people read every description.
func TestNumbersNameTheirUnits(t *testing.T) {
	doc, err := openapi.Document()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]bool{"generation": true, "position": true, "head": true, "next": true, "number": true, "incarnation": true,
		"status": true, "line": true, "column": true, "attempts": true, "bucket": true, "timeline": true, "checked": true, "first": true,
		"last": true, "broken_at": true, "latitude": true, "longitude": true, "sequence": true, "needed": true}
	units := []string{"_ms", "_seconds", "_bytes", "_percent", "_total", "_up", "_down", "bytes_min", "bytes_max", "seconds_min", "seconds_max"}
	for name, schema := range doc.Components.Schemas {
		for property, ref := range schema.Value.Properties {
			if !ref.Value.Type.Is("integer") && !ref.Value.Type.Is("number") || counts[property] {
				continue
			}
			ok := false
			for _, unit := range units {
				ok = ok || strings.HasSuffix(property, unit)
			}
			if !ok {
				t.Errorf("%s.%s is a number without a unit in its name", name, property)
			}
		}
	}
}
