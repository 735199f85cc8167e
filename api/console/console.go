// Package console carries the web console inside the program.
//
// The console is written in TypeScript and built by Vite into dist, which is
// embedded here, so the program serves it from its own memory: no file beside
// the binary, no name to resolve, nothing from the outside network. That is
// what keeps it usable when the region it would otherwise be fetched from is
// the one that failed.
//
// The surprising choice: this package compiles before the console was ever
// built. A committed dist/.keep satisfies the embed directive, [Built] says
// whether there is more than that, and [Handler] then answers with one
// sentence naming the command that builds it.
//
// Callers may rely on [Handler] never answering paths under /api: it serves
// files that exist, and for every other path the page itself, because the
// console does its own routing.
package console

import (
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var embedded embed.FS

// Files returns the built console, rooted at its index.html.
func Files() fs.FS {
	files, err := fs.Sub(embedded, "dist")
	if err != nil {
		panic("the name dist is constant and valid: " + err.Error())
	}
	return files
}

// Built reports whether the console was built before the program was.
func Built() bool { return built(Files()) }

func built(files fs.FS) bool {
	_, err := fs.Stat(files, "index.html")
	return err == nil
}

// policy lets the page talk to its own origin and to nothing else. Styles may
// be inline because the component library sizes elements that way; scripts may
// not.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the console. Files whose name holds a hash of their content
// may be cached for ever, the page itself is asked for each time, and a
// compressed twin is sent to whoever accepts one.
func Handler() http.Handler { return handler(Files()) }

func handler(files fs.FS) http.Handler {
	whole := built(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			head.Set("Allow", "GET, HEAD")
			http.Error(w, "the console only answers GET; the API lives under /api/v1", http.StatusMethodNotAllowed)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/api/") {
			http.Error(w, "no such path in the API; see /api/v1/openapi.json", http.StatusNotFound)
			return
		}
		if !whole {
			http.Error(w, "the console was not built into this program (run `make build`); the API under /api/v1 works without it",
				http.StatusServiceUnavailable)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if name == "" || !regular(files, name) {
			if strings.HasPrefix(name, "assets/") {
				// An old page asking for a chunk of an older build must not be
				// handed HTML as if it were a script.
				http.Error(w, "this file belongs to another build of the console; reload the page", http.StatusNotFound)
				return
			}
			name = "index.html"
		}
		if strings.HasPrefix(name, "assets/") {
			head.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			head.Set("Cache-Control", "no-cache")
		}
		send(w, r, files, name)
	})
}

// send writes one file, compressed if the build left a compressed twin and the
// client accepts it.
func send(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	head := w.Header()
	head.Set("Content-Type", contentType(name))
	head.Add("Vary", "Accept-Encoding")
	body, err := fs.ReadFile(files, name)
	for _, twin := range [...]struct{ coding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !accepts(r, twin.coding) {
			continue
		}
		if packed, missing := fs.ReadFile(files, name+twin.suffix); missing == nil {
			head.Set("Content-Encoding", twin.coding)
			body, err = packed, nil
			break
		}
	}
	if err != nil {
		http.Error(w, "the console file "+name+" could not be read: "+err.Error(), http.StatusInternalServerError)
		return
	}
	head.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader went away; there is nobody to tell
	}
}

func regular(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.Mode().IsRegular() && !strings.HasPrefix(path.Base(name), ".")
}

// accepts reads Accept-Encoding, RFC 9110 section 12.5.3, as far as a choice
// between two codings needs it: a coding with q=0 is refused.
func accepts(r *http.Request, coding string) bool {
	for _, offer := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(offer), ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
		if !found {
			return true
		}
		value, err := strconv.ParseFloat(q, 64)
		return err == nil && value > 0
	}
	return false
}

// contentType does not ask the machine's own table, so every machine serves
// the same types.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}
