package process

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// guardScript waits until our end of its standard input closes. While the
// demo lives that does not happen; when it is killed outright, the kernel
// closes it, and what the demo would have tidied up is tidied up here.
const guardScript = `trap '' INT TERM HUP
cat >/dev/null
sleep 0.3
find "$1" -name postmaster.pid 2>/dev/null | while read -r f; do kill -QUIT "$(head -n 1 "$f")" 2>/dev/null; done
sleep 1
[ "$2" = keep ] || rm -rf "$1"`

// Guard is the last net under a demo's directory.
type Guard struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// NewGuard starts the guard of dir: if this process dies without having
// called Dismiss, the database servers below dir are ended, and dir is removed
// unless keep is set.
func NewGuard(dir string, keep bool) (*Guard, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the guard of %s: %w", dir, err)
	}
	defer r.Close()
	what := "remove"
	if keep {
		what = "keep"
	}
	cmd := exec.Command("sh", "-c", guardScript, "fairlead-demo-guard", dir, what)
	cmd.Stdin = r
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not for it
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("start the guard of %s: %w", dir, err)
	}
	return &Guard{cmd: cmd, pipe: w}, nil
}

// Dismiss ends the guard without it doing anything.
func (g *Guard) Dismiss() {
	syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL)
	g.cmd.Wait() // it was killed, and says so
	g.pipe.Close()
}
