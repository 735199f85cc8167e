package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/cmd/internal/identity"
)

func TestACertificateRenewedOnDiskIsTakenUpAndAWrongOneIsSaidOnce(t *testing.T) {
	ca, dir := t.TempDir(), t.TempDir()
	var logged bytes.Buffer
	synctest.Test(t, func(t *testing.T) { // the authority too: its clock is the one in here
		a, err := identity.NewAuthority(ca)
		if err != nil {
			t.Fatal(err)
		}
		issue := func(role identity.Role) {
			t.Helper()
			if err := a.Issue(dir, identity.Request{Node: "node-1", Roles: []identity.Role{role}}); err != nil {
				t.Fatal(err)
			}
		}
		issue(identity.Control)
		id, err := identity.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- renewals(id, time.Second, slog.New(slog.NewTextHandler(&logged, nil)))(ctx) }()
		wait := func() { time.Sleep(5500 * time.Millisecond); synctest.Wait() }
		issue(identity.Control)
		wait()
		issue(identity.DNS)
		wait()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the loop ended with %v", err)
		}
	})
	for sentence, want := range map[string]int{"renewed certificate in use": 1, "restart the node to change its roles": 1} {
		if got := strings.Count(logged.String(), sentence); got != want {
			t.Errorf("%q logged %d times, want %d; the log:\n%s", sentence, got, want, logged.String())
		}
	}
}
