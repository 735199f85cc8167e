package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"fairlead/regions/fault"
)

// graceful is how long a member may take to put its things away before it is
// left behind: one that has died, or that waits for a quorum to leave it.
const graceful = 2 * time.Second

func (d *DB) runEmbedded(ctx context.Context) error {
	unlock, err := lock(d.set.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.set.prepare(); err != nil {
		return err
	}
	sockets, remove, err := socketDir(d.set.Dir)
	if err != nil {
		return d.set.explain(err)
	}
	defer remove()

	d.absent("is starting")
	dead := newCasualty()
	member, err := start(ctx, d.config(sockets, dead), dead)
	switch {
	case member == nil && ctx.Err() != nil:
		return nil
	case err != nil:
		return d.set.explain(err)
	}
	err = d.serve(ctx, member, dead)
	d.conn.Store(nil)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		member.Close()
	}()
	select {
	case <-closed:
	case <-time.After(graceful): // without a quorum it waits for one, for ever
	}
	select {
	case <-dead.dead:
		if err == nil {
			err = d.set.explain(dead.words())
		}
	default:
	}
	return err
}

// serve returns when ctx ends, or with an error when the member dies.
func (d *DB) serve(ctx context.Context, member *embed.Etcd, dead *casualty) error {
	d.absent("has no quorum yet")
	select {
	case <-ctx.Done():
		return nil
	case <-dead.dead:
		return d.set.explain(dead.words())
	case err := <-member.Err():
		return d.set.explain(err)
	case <-member.Server.ReadyNotify():
	}
	client := v3client.New(member.Server)
	defer client.Close()
	d.conn.Store(newConn(client, dead.dead))
	defer d.conn.Store(nil)
	d.absent("is closing")
	close(d.ready)
	d.set.Log.Info("store open", "dir", d.set.Dir, "member", d.set.Name, "members", max(1, len(d.set.Peers)))
	select {
	case <-ctx.Done():
		d.awaitWithdrawals()
		return nil
	case <-dead.dead:
		return d.set.explain(dead.words())
	case err := <-member.Err():
		return d.set.explain(err)
	case <-member.Server.StopNotify():
		return d.set.explain(errors.New("the member was stopped, as if removed from its cluster"))
	}
}

// start runs embed.StartEtcd in a goroutine that its fatal messages may end.
// They may also end one that it waits for; then it is left behind, as it is
// when ctx ends and it does not come back.
func start(ctx context.Context, cfg *embed.Config, dead *casualty) (*embed.Etcd, error) {
	type outcome struct {
		member *embed.Etcd
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		o := outcome{err: errors.New("etcd gave up while it started")}
		defer func() { done <- o }()
		o.member, o.err = embed.StartEtcd(cfg)
	}()
	select {
	case o := <-done:
		if o.member == nil && dead.words() != nil {
			o.err = dead.words()
		}
		return o.member, o.err
	case <-dead.dead:
	case <-ctx.Done():
	}
	select {
	case o := <-done: // it may have been nothing that stops it from running
		if o.member != nil {
			return o.member, o.err
		}
	case <-time.After(graceful):
	}
	return nil, dead.words()
}

func (d *DB) config(sockets string, dead *casualty) *embed.Config {
	s := &d.set
	cfg := embed.NewConfig()
	cfg.Name = s.Name
	cfg.Dir = s.Dir
	cfg.TickMs = uint(s.Tick.Milliseconds())
	cfg.ElectionMs = uint(s.Election.Milliseconds())
	cfg.QuotaBackendBytes = quota
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = "1h"
	cfg.WatchProgressNotifyInterval = s.Progress
	cfg.EnableGRPCGateway = false
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(dead.logger(s.Log))

	cfg.ForceNewCluster = s.Begin == Forced

	client := url.URL{Scheme: "unix", Path: filepath.Join(sockets, "client.sock")}
	cfg.ListenClientUrls = []url.URL{client}
	cfg.AdvertiseClientUrls = []url.URL{client}
	if s.ListenClient != "" {
		u := url.URL{Scheme: "https", Host: s.ListenClient}
		cfg.ListenClientUrls = append(cfg.ListenClientUrls, u)
		cfg.AdvertiseClientUrls = append(cfg.AdvertiseClientUrls, u)
	}
	if len(s.Peers) == 0 {
		peer := url.URL{Scheme: "unix", Path: filepath.Join(sockets, "peer.sock")}
		cfg.ListenPeerUrls = []url.URL{peer}
		cfg.AdvertisePeerUrls = []url.URL{peer}
		cfg.InitialCluster = cfg.InitialClusterFromName(s.Name)
		return cfg
	}
	var cluster, names []string
	for _, p := range s.Peers {
		cluster = append(cluster, fmt.Sprintf("%s=https://%s", p.Name, p.Address))
		names = append(names, p.Name)
		if p.Name == s.Name {
			cfg.AdvertisePeerUrls = []url.URL{{Scheme: "https", Host: p.Address}}
		}
	}
	cfg.ListenPeerUrls = []url.URL{{Scheme: "https", Host: s.ListenPeer}}
	cfg.InitialCluster = strings.Join(cluster, ",")
	cfg.InitialClusterToken = "fairlead"
	if s.Begin == Anew {
		cfg.InitialCluster = fmt.Sprintf("%s=%s", s.Name, cfg.AdvertisePeerUrls[0].String())
		cfg.InitialClusterToken = "fairlead-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	cfg.PeerTLSInfo = s.mutualTLS(names)
	cfg.ClientTLSInfo = s.mutualTLS(append(names, s.Clients...))
	return cfg
}

// mutualTLS lets in certificates of our authority that bear one of the names.
// Where they come from does not matter: nodes move, and their names are in
// the certificate.
func (s *Settings) mutualTLS(names []string) transport.TLSInfo {
	return transport.TLSInfo{
		TrustedCAFile:       s.Certificates.CA,
		CertFile:            s.Certificates.Cert,
		KeyFile:             s.Certificates.Key,
		ClientCertAuth:      true,
		AllowedCNs:          names,
		SkipClientSANVerify: true,
	}
}

// lock makes sure that no other process has the directory open. The kernel
// takes the lock back when this process ends, however it ends.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Deniedf("store", "cannot make the directory %s", dir).Because(err).Do("give this user the right to write there")
	}
	f, err := os.OpenFile(filepath.Join(dir, "in-use"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Deniedf("store", "cannot write in %s", dir).Because(err).Do("give this user the right to write there")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fault.Conflictf("store", "%s is in use by another process", dir).Because(err).
			Do("stop that one first, or give this one another data directory")
	}
	return func() { f.Close() }, nil
}

// plain are paths that survive etcd's own notation for lists of URLs.
var plain = regexp.MustCompile(`^[A-Za-z0-9/._+~-]+$`)

// socketDir returns a directory for unix sockets whose names the kernel and
// etcd accept: the data directory unless its path is too long or unusual.
func socketDir(dir string) (sockets string, remove func(), err error) {
	const longest = 107 // of sockaddr_un.sun_path
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	if len(filepath.Join(abs, "client.sock")) <= longest && plain.MatchString(abs) {
		return abs, func() {}, nil
	}
	tmp, err := os.MkdirTemp("", "fairlead-store-")
	if err != nil {
		return "", nil, err
	}
	return tmp, func() { os.RemoveAll(tmp) }, nil
}
