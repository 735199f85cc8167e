package dnstest_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead/dns/server"
)

// zoneText is a zone before anybody has read it.
type zoneText struct {
	origin, text string
}

// responder is a server that answers for the same zones as the others.
type responder struct {
	name string
	addr netip.AddrPort
}

// reference is a server of another house, by which ours is measured.
type reference struct {
	name    string
	program string
	debian  string
	// configure writes what the program needs into dir and returns its arguments.
	configure func(dir string, port uint16, zones []zoneText) (arguments []string, err error)
}

var references = []reference{
	{"knot", "knotd", "knot", configureKnot},
	{"nsd", "nsd", "nsd", configureNSD},
	{"bind", "named", "bind9", configureBIND},
}

// path finds the program, also where an ordinary user's PATH does not lead.
func (r reference) path() (string, bool) {
	for _, name := range []string{r.program, "/usr/sbin/" + r.program, "/usr/local/sbin/" + r.program} {
		if p, err := exec.LookPath(name); err == nil {
			return p, true
		}
	}
	return "", false
}

// installed returns the references that can be started here. With
// FAIRLEAD_REQUIRE_ALL=1 each must be.
func installed(t *testing.T) (found []reference) {
	t.Helper()
	var missing []string
	for _, r := range references {
		if _, ok := r.path(); ok {
			found = append(found, r)
			continue
		}
		missing = append(missing, r.debian)
	}
	if len(missing) > 0 {
		text := fmt.Sprintf("needs %[1]s: apt-get install --no-install-recommends %[1]s", strings.Join(missing, " "))
		if os.Getenv("FAIRLEAD_REQUIRE_ALL") == "1" {
			t.Fatal(text)
		}
		t.Log(text)
	}
	if len(found) == 0 {
		t.Skip("no reference server is installed, so there is nothing to compare with")
	}
	return found
}

// zoneFile is where a zone's text lies.
func zoneFile(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("%d.zone", i)) }

// start runs the reference until the test ends.
func (r reference) start(t *testing.T, zones []zoneText) responder {
	t.Helper()
	dir, err := os.MkdirTemp("", "fairlead-dns") // short: a control socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for i, z := range zones {
		if err := os.WriteFile(zoneFile(dir, i), []byte(z.text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program, _ := r.path()
	for try := 0; ; try++ {
		port := freePort(t)
		arguments, err := r.configure(dir, port, zones)
		if err != nil {
			t.Fatal(err)
		}
		log, err := os.Create(filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		said := func() string {
			text, _ := os.ReadFile(log.Name())
			return string(text)
		}
		cmd := exec.Command(program, arguments...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
		belong(cmd) // with all that it starts: NSD is a family of processes
		if err := cmd.Start(); err != nil {
			t.Fatalf("start %s: %v", r.name, err)
		}
		log.Close()
		ended := make(chan struct{})
		go func() {
			cmd.Wait()
			close(ended)
		}()
		stop := func() {
			cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
			}
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		it := responder{r.name, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}
		if err := it.await(ended, 60*time.Second); err == nil {
			t.Cleanup(stop)
			if testing.Verbose() {
				t.Logf("%s says:\n%.4000s", r.name, said())
			}
			return it
		} else if stop(); try == 3 {
			t.Fatalf("%s does not answer: %v\n%s", r.name, err, said())
		}
	}
}

// await waits until the server answers anything over UDP and TCP.
func (r responder) await(ended <-chan struct{}, limit time.Duration) error {
	probe := []byte{0x47, 0x11, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1}
	framed := append([]byte{0, byte(len(probe))}, probe...)
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			return fmt.Errorf("it ended (%v)", err)
		default:
		}
		if err = exchange("udp", r.addr, probe); err == nil {
			if err = exchange("tcp", r.addr, framed); err == nil {
				return nil
			}
		}
	}
	return err
}

func exchange(network string, addr netip.AddrPort, query []byte) error {
	c, err := net.DialTimeout(network, addr.String(), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err := c.Write(query); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 512))
	return err
}

// freePort returns a port that is free for UDP and TCP now.
func freePort(t *testing.T) uint16 {
	t.Helper()
	s, err := server.Listen(t.Context(), "127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Datagrams[0].LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func configureKnot(dir string, port uint16, zones []zoneText) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "server:\n  listen: 127.0.0.1@%d\n  rundir: %s\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n", port, dir)
	fmt.Fprintf(&b, "database:\n  storage: %s/db\nlog:\n  - target: stderr\n    any: warning\nzone:\n", dir)
	for i, z := range zones {
		fmt.Fprintf(&b, "  - domain: %q\n    file: %s\n    zonefile-sync: -1\n    journal-content: none\n    semantic-checks: off\n", z.origin, zoneFile(dir, i))
	}
	path := filepath.Join(dir, "knot.conf")
	return []string{"-c", path}, os.WriteFile(path, []byte(b.String()), 0o644)
}

func configureNSD(dir string, port uint16, zones []zoneText) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `server:
  server-count: 1
  ip-address: 127.0.0.1@%[2]d
  username: ""
  chroot: ""
  zonesdir: "%[1]s"
  zonelistfile: "%[1]s/zone.list"
  xfrdfile: "%[1]s/xfrd.state"
  xfrdir: "%[1]s"
  pidfile: ""
  database: ""
  refuse-any: no
  tcp-count: 64
  rrl-ratelimit: 0
remote-control:
  control-enable: no
`, dir, port)
	for i, z := range zones {
		fmt.Fprintf(&b, "zone:\n  name: %q\n  zonefile: %q\n", z.origin, zoneFile(dir, i))
	}
	path := filepath.Join(dir, "nsd.conf")
	return []string{"-d", "-c", path}, os.WriteFile(path, []byte(b.String()), 0o644)
}

func configureBIND(dir string, port uint16, zones []zoneText) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `options {
  directory "%[1]s";
  pid-file none;
  session-keyfile "%[1]s/session.key";
  managed-keys-directory "%[1]s";
  listen-on port %[2]d { 127.0.0.1; };
  listen-on-v6 { none; };
  recursion no;
  minimal-responses no-auth;
  empty-zones-enable no;
  notify no;
  tcp-clients 64;
  dnssec-validation no;
  check-names primary ignore;
  check-integrity no;
  check-wildcard no;
};
controls { };
logging { channel e { stderr; severity warning; }; category default { e; }; };
`, dir, port)
	for i, z := range zones {
		fmt.Fprintf(&b, "zone %q { type primary; file %q; };\n", z.origin, zoneFile(dir, i))
	}
	path := filepath.Join(dir, "named.conf")
	return []string{"-f", "-n", "1", "-c", path}, os.WriteFile(path, []byte(b.String()), 0o644)
}
