// Package pair makes a real PostgreSQL pair on this machine: a primary in one
// region and a streaming standby in another, each on its own loopback address,
// with the roles that a company would give Fairlead. The demo plays in it and
// the tests prove things with it.
//
// The surprising choice: both servers are copies of one [Template], a cluster
// that was initialised, furnished and shut down. A clean copy of a cluster is
// as good as a base backup, and so a pair takes a second, not ten.
//
// Servers here are started and stopped as a person would, with pg_ctl or a
// signal. Whatever Fairlead does to them goes through its agents instead, which
// find a running server by themselves. [Pair.Close] ends every server by its
// process id.
package pair

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"fairlead/providers/command"
	"fairlead/regions/fault"
)

// Installation is where PostgreSQL's programs are, and as whom they run.
type Installation struct {
	BinDir string
	User   string // who owns the servers; PostgreSQL refuses root
}

// Find looks for PostgreSQL's server programs (the newest) and for a user to
// run them as.
func Find() (Installation, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return Installation{}, fmt.Errorf("look for PostgreSQL: %w", err)
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	dirs = append(dirs, "/usr/local/pgsql/bin", "/usr/pgsql/bin", "/opt/homebrew/bin", "/usr/local/bin", "/usr/bin")
	i := slices.IndexFunc(dirs, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "postgres"))
		return err == nil
	})
	if i < 0 {
		return Installation{}, fault.NotFoundf("PostgreSQL", "its server programs are not installed here").Do("apt-get install postgresql")
	}
	in := Installation{BinDir: dirs[i]}
	if os.Geteuid() != 0 {
		me, err := user.Current()
		if err != nil {
			return Installation{}, fmt.Errorf("find out who we are: %w", err)
		}
		in.User = me.Username
		return in, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if _, err := user.Lookup(name); err == nil {
			in.User = name
			return in, nil
		}
	}
	return Installation{}, fault.NotFoundf("PostgreSQL", "refuses to run as root, and there is no user postgres").Do("useradd --system postgres")
}

func version(dir string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return n
}

// credential is as whom programs run; nil: as ourselves.
func (in Installation) credential() (*syscall.Credential, error) {
	u, err := user.Lookup(in.User)
	if err != nil {
		return nil, fmt.Errorf("find user %s: %w", in.User, err)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if errUID != nil || errGID != nil {
		return nil, fmt.Errorf("read the numbers of user %s", in.User)
	}
	if os.Geteuid() == int(uid) {
		return nil, nil
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// run runs one of PostgreSQL's programs and fails with its reason.
func (in Installation) run(ctx context.Context, program string, args ...string) error {
	cred, err := in.credential()
	if err != nil {
		return err
	}
	out, err := command.Run(ctx, command.Spec{
		Program: append([]string{filepath.Join(in.BinDir, program)}, args...), Credential: cred,
		Env: append(command.Environment(), "HOME=/"), Limit: time.Minute,
	})
	if err != nil {
		return err
	}
	if out.TimedOut || out.Exit != 0 {
		return fmt.Errorf("%s: exit %d: %s", program, out.Exit, out.Reason())
	}
	return nil
}

// give hands a file or directory to the servers' user.
func (in Installation) give(paths ...string) error {
	cred, err := in.credential()
	if err != nil || cred == nil {
		return err
	}
	for _, path := range paths {
		if err := os.Chown(path, int(cred.Uid), int(cred.Gid)); err != nil {
			return fmt.Errorf("give %s to %s: %w", path, in.User, err)
		}
	}
	return nil
}
