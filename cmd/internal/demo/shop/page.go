package shop

import (
	"bytes"
	"html/template"
	"net/http"
	"time"
)

// page is what a person sees who opens a region's address in a browser: the
// region first, in a colour of its own.
var page = template.Must(template.New("shop").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="2"><title>Shop – {{.Title}}</title><style>
:root{color-scheme:light dark;--tone:{{.Tone}}}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText}
main{width:min(30rem,90vw)}
header{background:var(--tone);color:#fff;border-radius:1rem 1rem 0 0;padding:1.5rem 2rem}
header p{margin:0;opacity:.9}h1{margin:0;font-size:2.4rem;line-height:1.1}
section{border:1px solid color-mix(in srgb,CanvasText 20%,Canvas);border-top:0;border-radius:0 0 1rem 1rem;padding:1.25rem 2rem 1.75rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1.2rem;margin:0}dt{color:color-mix(in srgb,CanvasText 65%,Canvas)}dd{margin:0;font-variant-numeric:tabular-nums}
</style></head><body><main>
<header><p>You are served by</p><h1>{{.Title}}</h1><p>{{.Region}}</p></header>
<section><dl>
<dt>Orders</dt><dd>{{if .Problem}}{{.Problem}}{{else}}{{.Orders}}{{end}}</dd>
{{if .Last}}<dt>Latest</dt><dd>{{.Last}}</dd>{{end}}
<dt>Database here</dt><dd>{{.Role}}</dd>
<dt>Read at</dt><dd>{{.ReadsName}}</dd>
<dt>Order at</dt><dd>{{.WritesName}}</dd>
</dl></section></main></body></html>
`))

// tones tell the regions of the demo apart at a glance; white text on them
// has a contrast of at least 4.5.
var tones = map[string]template.CSS{"us-east": "#1d4ed8", "eu-central": "#0f766e", "ap-south": "#b45309"}

func servePage(w http.ResponseWriter, _ *http.Request, c Config, t *till) {
	seen := t.seen.Load()
	data := struct {
		Config
		Tone                template.CSS
		Orders              int64
		Problem, Last, Role string
	}{Config: c, Tone: "#475569", Orders: seen.orders, Problem: seen.problem, Role: "standby: reads only"}
	if tone, ok := tones[c.Region]; ok {
		data.Tone = tone
	}
	switch {
	case seen.problem != "":
		data.Role = "none in reach"
	case !seen.standby:
		data.Role = "primary: takes orders"
	}
	if !seen.last.IsZero() {
		data.Last = seen.last.UTC().Format(time.TimeOnly) + " UTC"
	}
	var b bytes.Buffer
	if err := page.Execute(&b, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Region", c.Region)
	w.Write(b.Bytes())
}
