package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Following another server: the settings that make it so, and the two ways to
// get data that can follow, rewind and reseed.

// upstream finds how to reach the server of another region.
func (s *server) upstream(region regions.ID) (Upstream, error) {
	up, ok := s.Upstreams[region]
	if !ok {
		return Upstream{}, fault.Invalidf(s.subject, "the agent is not told how to follow %q", region).Do("add upstreams.%s to the agent's configuration", region)
	}
	return up, nil
}

// follow writes the settings of a standby into postgresql.auto.conf, where
// pg_basebackup would put them too; other settings there stay.
func (s *server) follow(up Upstream, slot string) error {
	path := s.file("postgresql.auto.conf")
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("read %s: %w", path, err)
	}
	ours := regexp.MustCompile(`(?i)^\s*(primary_conninfo|primary_slot_name|recovery_target_timeline)\b`)
	var out strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(string(text), "\n"), "\n") {
		if !ours.MatchString(line) {
			out.WriteString(line + "\n")
		}
	}
	conninfo := up.Stream
	if !strings.Contains(conninfo, "application_name=") {
		conninfo += " application_name=" + string(s.Region)
	}
	fmt.Fprintf(&out, "primary_conninfo = %s\n", quote(conninfo))
	fmt.Fprintf(&out, "primary_slot_name = %s\n", quote(slot))
	fmt.Fprintf(&out, "recovery_target_timeline = 'latest'\n")
	if err := writeDurably(path, []byte(out.String()), 0o600, s.own); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// quote makes a value of a configuration file.
func quote(v string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), "'", "''") + "'"
}

// recover brings a crashed server to a clean end without letting it accept a
// connection: pg_rewind needs that, and would need standby.signal away for it.
// The signal file is away only while the single-user server runs, and the
// agent, when it starts, puts it back if it died in between.
func (s *server) recover(ctx context.Context, limit time.Duration) error {
	marked, err := s.standby()
	if err != nil {
		return err
	}
	if err := s.unmarkStandby(); err != nil {
		return err
	}
	args := []string{"--single", "-D", s.DataDir}
	if s.ConfigFile != "" {
		args = append(args, "-c", "config_file="+s.ConfigFile)
	}
	out, err := s.program(ctx, limit, "postgres", append(args, "template1")...)
	if marked {
		if markErr := s.markStandby(); markErr != nil {
			return markErr
		}
	}
	switch {
	case err != nil:
		return err
	case out.TimedOut:
		return fault.Unavailablef(s.subject, "recovery after the crash was ended after %v", out.Took.Round(time.Second))
	case out.Exit != 0:
		return fault.Conflictf(s.subject, "recovery after the crash failed: %s", out.Reason())
	}
	return nil
}

var (
	divergedAt = regexp.MustCompile(`servers diverged at WAL location ([0-9A-F]+)/([0-9A-F]+) on timeline (\d+)`)
	noRewind   = regexp.MustCompile(`no rewind required`)
)

// rewind takes the server back to where the upstream's history left its own,
// and reports in words what it did. It keeps a copy of what is taken back, and
// calls begin right before the data change.
func (s *server) rewind(ctx context.Context, up Upstream, limit time.Duration, archive string, begin func() error) (string, error) {
	if up.Rewind == "" {
		return "", fault.Invalidf(s.subject, "the agent has no connection for a rewind").Do("set upstreams.….rewind, or reseed")
	}
	if err := s.clearStale(); err != nil {
		return "", err
	}
	c, err := s.control(ctx)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(c.State, "shut down") {
		if err := s.recover(ctx, limit); err != nil {
			return "", err
		}
	}
	args := []string{"-D", s.DataDir, "--source-server", up.Rewind, "--no-ensure-shutdown"}
	if s.ConfigFile != "" {
		args = append(args, "--config-file", s.ConfigFile)
	}
	preview, err := s.program(ctx, limit, "pg_rewind", append(args, "--dry-run")...)
	if err != nil {
		return "", err
	}
	said := preview.Stdout + preview.Stderr
	switch {
	case preview.TimedOut || preview.Exit != 0:
		return "", fault.Conflictf(s.subject, "pg_rewind cannot do it: %s", preview.Reason()).Do("reseed instead")
	case noRewind.MatchString(said):
		return "no rewind was needed: nothing was written here that the upstream does not have", nil
	}
	if c, err = s.control(ctx); err != nil { // again: recovery moved it
		return "", err
	}
	kept, err := s.archiveFrom(said, c, archive)
	if err != nil {
		return "", err
	}
	if err := begin(); err != nil {
		return "", err
	}
	out, err := s.program(ctx, limit, "pg_rewind", args...)
	if err != nil {
		return "", err
	}
	if out.TimedOut || out.Exit != 0 {
		return "", fault.Conflictf(s.subject, "pg_rewind failed half way, the data cannot be started: %s", out.Reason()).Do("reseed")
	}
	where := "the point of divergence"
	if m := divergedAt.FindStringSubmatch(said); m != nil {
		where = fmt.Sprintf("%s/%s on timeline %s", m[1], m[2], m[3])
	}
	return fmt.Sprintf("rewound to %s; %s", where, kept), nil
}

// reseed replaces the data by a copy of the upstream's. The new copy is
// complete before the old one goes. An empty archive keeps no WAL.
func (s *server) reseed(ctx context.Context, up Upstream, slot string, limit time.Duration, archive string) (string, error) {
	links, err := os.ReadDir(s.file("pg_tblspc"))
	if err == nil && len(links) > 0 {
		return "", fault.Conflictf(s.subject, "has tablespaces, which the agent cannot place").Do("reseed it by hand with pg_basebackup --tablespace-mapping")
	}
	kept := "nothing was written here that could be lost"
	if archive != "" {
		c, err := s.control(ctx)
		if err != nil {
			c = Control{} // damaged: keep all
		}
		if kept, err = s.archiveFrom("", c, archive); err != nil {
			return "", err
		}
	}
	fresh := s.DataDir + ".reseed"
	if err := os.RemoveAll(fresh); err != nil {
		return "", fmt.Errorf("clear %s: %w", fresh, err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return "", fault.New(fault.Invalid, s.subject, "there is no room for a copy beside the data directory").Because(err).
			Do("let the agent write to %s", filepath.Dir(s.DataDir))
	}
	if s.own != nil {
		if err := os.Chown(fresh, s.own.uid, s.own.gid); err != nil {
			return "", fmt.Errorf("give %s to its user: %w", fresh, err)
		}
	}
	out, err := s.program(ctx, limit, "pg_basebackup", "-D", fresh, "-d", up.Stream, "-X", "stream", "-c", "fast", "-S", slot)
	if err == nil && (out.TimedOut || out.Exit != 0) {
		err = fault.Conflictf(s.subject, "pg_basebackup failed, the old data are untouched: %s", out.Reason())
	}
	if err != nil {
		return "", err
	}
	// A copy without the mark would come up as a primary.
	if err := writeDurably(filepath.Join(fresh, "standby.signal"), nil, 0o600, s.own); err != nil {
		return "", fmt.Errorf("mark the copy as a standby: %w", err)
	}
	if err := exchange(fresh, s.DataDir); err != nil {
		return "", fmt.Errorf("put the copy in place of the data: %w", err)
	}
	if err := syncDir(filepath.Dir(s.DataDir)); err != nil {
		return "", fmt.Errorf("make the exchange of data directories durable: %w", err)
	}
	if err := os.RemoveAll(fresh); err != nil {
		return "", fmt.Errorf("remove the replaced data: %w", err)
	}
	return "replaced by a base backup of the upstream; " + kept, nil
}

// reload makes a running server read its configuration again.
func (s *server) reload(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		return fmt.Errorf("ask process %d of %s to reload: %w", pid, s.subject, err)
	}
	return nil
}
