package main

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"fairlead/api/apitest"
	"fairlead/api/auth"
	"fairlead/cmd/internal/backup"
	decisions "fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/regions"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fairlead": func() { os.Exit(run()) }})
}

type worldKey struct{}

// Each script has its own small world behind a real API, which it changes with
// the command world.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("FAIRLEAD_UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			w := apitest.NewWorld()
			ts := httptest.NewServer(w.Server().Handler())
			e.Defer(ts.Close)
			e.Values[worldKey{}] = w
			e.Setenv("FAIRLEAD_SERVER", ts.URL)
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"world": world, "exits": exits},
	})
}

// world kill REGION | heal REGION | token NAME FILE ROLE… | lose-store | backup | half-backup | break-chain
func world(ts *testscript.TestScript, neg bool, args []string) {
	w := ts.Value(worldKey{}).(*apitest.World)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: world VERB …")
	}
	switch args[0] {
	case "kill":
		w.Kill(regions.ID(args[1]))
	case "heal":
		w.Heal(regions.ID(args[1]))
	case "token":
		var roles []auth.Role
		for _, r := range args[3:] {
			roles = append(roles, auth.Role(r))
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(w.AddToken(args[1], roles)+"\n"), 0o600))
	case "lose-store":
		w.LoseStore()
	case "backup":
		w.KeepBackup(aBackup(ts))
	case "half-backup":
		b := aBackup(ts)
		w.KeepBackup(b[:len(b)/2])
	case "break-chain":
		w.BreakChain()
	default:
		ts.Fatalf("world does not know %s", args[0])
	}
}

// exits CODE COMMAND …: the command ends with that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d\n%s%s", strings.Join(args[1:], " "), got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// aBackup is one of a small store.
func aBackup(ts *testscript.TestScript) []byte {
	s := decisions.New(memory.New(), decisions.Settings{Node: "n1", Signer: unsigned{}})
	var out bytes.Buffer
	var w *backup.Writer
	ctx := context.Background()
	ts.Check(s.Snapshot(ctx, func(sum decisions.Summary) (err error) {
		w, err = backup.NewWriter(&out, backup.Header{Summary: sum, Node: "n1", Taken: apitest.Began, Version: "test"})
		return err
	}, func(p []decisions.Pair) error { return w.Pairs(p) }))
	ts.Check(w.Close())
	return out.Bytes()
}

type unsigned struct{}

func (unsigned) SignEpoch(d regions.DatabaseID, e regions.Epoch) (regions.SignedEpoch, error) {
	return regions.SignedEpoch{Database: d, Epoch: e}, nil
}
