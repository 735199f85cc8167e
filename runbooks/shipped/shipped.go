// Package shipped holds the runbooks that come with Fairlead, as the text
// that people read and copy. A configuration may replace one by one of its
// own with the same name.
package shipped

import (
	"embed"
	"io/fs"
	"path"
	"strings"

	"fairlead/regions"
)

//go:embed *.yaml
var files embed.FS

// Documents returns every shipped runbook, by name.
func Documents() []regions.Document {
	var docs []regions.Document
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // the files are part of the program
	}
	for _, e := range entries {
		text, err := fs.ReadFile(files, e.Name())
		if err != nil {
			panic(err)
		}
		docs = append(docs, regions.Document{Name: strings.TrimSuffix(e.Name(), path.Ext(e.Name())), File: "shipped/" + e.Name(), Text: string(text)})
	}
	return docs
}
