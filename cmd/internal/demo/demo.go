// Package demo is `fairlead demo`: a small world on loopback that anybody can
// break, and a story that breaks it and measures what happens.
//
// The world is in demo/world, its shops in demo/shop, its people in
// demo/crowd. Those who measure are in demo/observe and write into demo/ledger;
// demo/measure turns that into figures and demo/report hands them over. The
// story is in demo/story. None of them is used by anything but the demo.
//
// What callers may rely on: when [Run] returns, nothing of the demo is left,
// neither process nor file nor port; and if the program is killed outright, a
// guard clears up in its stead.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"fairlead/cmd/internal/demo/shop"
	"fairlead/cmd/internal/demo/story"
)

// Options are the command's flags.
type Options struct {
	// Program is the fairlead binary to run, an absolute path.
	Program string
	// Command is how people call it, for the lines they are to paste.
	Command string
	// Headless plays the story instead of waiting for somebody to play.
	Headless bool
	// Report is the file that the story's report goes to; empty writes none.
	Report string
	// Keep leaves the directory, with all logs, when the demo ends.
	Keep bool
	Out  io.Writer
	// In is read for commands, line by line; nil reads none.
	In io.Reader

	anyPorts bool // tests leave the known ports to whoever has them
}

// Run runs the demo until ctx ends or, headless, until the story is told.
// Headless it fails if any promise was broken; the report is written all the
// same.
func Run(ctx context.Context, o Options) error {
	if !filepath.IsAbs(o.Program) {
		return fmt.Errorf("the demo needs the absolute path of the fairlead program, not %q", o.Program)
	}
	if o.Command == "" {
		o.Command = "fairlead"
	}
	if !o.Headless {
		return play(ctx, o)
	}
	r, err := story.Play(ctx, o.Program, o.Keep, o.Out)
	r.Print(o.Out)
	if o.Report != "" {
		err = errors.Join(err, r.Write(o.Report))
	}
	return err
}

// Shop runs one region's shop; it is what the hidden sub-command demo-shop
// calls.
func Shop(ctx context.Context, config string) error { return shop.RunFile(ctx, config) }
