package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/etcd"
	"fairlead/cmd/internal/store"
	"fairlead/regions/fault"
)

// openStore wires the store; whether it answers shows later.
func (n *Node) openStore() error {
	kept, corrupt, err := n.replica.Load()
	if err != nil {
		return err
	}
	for _, c := range corrupt {
		n.log.Error("a copy of the decided state is damaged and was passed over", "file", c.Path, "problem", c.Problem)
	}
	n.recoverFrom(kept)
	kv, err := n.openKV()
	if err != nil {
		return err
	}
	restoring := n.findPending()
	n.store = store.New(kv, store.Settings{Node: string(n.settings.Name), Signer: n.signer(), Remembered: n.decided, Superseded: n.superseded,
		Recovering: func() bool { return n.recovering.pending() }, Epochs: n.heardEpochs, Restoring: restoring, Log: n.log})
	if kept != nil {
		n.newest.Store(kept)
	}
	return nil
}

// openKV opens the database under the store: etcd on a control node. Any other
// node has none: what is decided reaches it from the control nodes, and its
// certificate opens nothing.
func (n *Node) openKV() (store.KV, error) {
	if !n.settings.Has(config.Control) {
		if len(n.controls()) == 0 {
			return nil, noControl(n.settings.Name)
		}
		return elsewhere{n}, nil
	}
	s, err := n.storeSettings()
	if err != nil {
		return nil, err
	}
	n.db, err = etcd.New(s)
	return n.db, err
}

func (n *Node) signer() store.Signer {
	if n.settings.Has(config.Control) {
		return n.id
	}
	return nil
}

// storeSettings says which etcd a control node uses: an external one, or a
// member of its own.
func (n *Node) storeSettings() (etcd.Settings, error) {
	s := etcd.Settings{Log: n.log.With("part", "store"), Name: string(n.settings.Name)}
	if len(n.settings.Etcd) > 0 {
		s.Endpoints = n.settings.Etcd
		var err error
		s.TLS, err = n.externalTLS()
		return s, err
	}
	s.Dir, s.Begin = filepath.Join(n.settings.DataDir, "store"), n.recovering.begin()
	for _, p := range n.settings.Peers {
		if p.Has(config.Control) {
			s.Peers = append(s.Peers, etcd.Peer{Name: string(p.Name), Address: p.Peer})
		}
	}
	if len(n.settings.Peers) == 0 {
		return s, nil // alone: nobody else is a client
	}
	s.Certificates.CA, s.Certificates.Cert, s.Certificates.Key = n.id.Files()
	s.Peers = append(s.Peers, etcd.Peer{Name: string(n.settings.Name), Address: n.settings.StorePeer})
	s.ListenPeer = n.settings.StorePeer // this process alone is a client of its member
	return s, nil
}

// externalTLS is what an external etcd is spoken to with: this node's
// certificate, and the authority that the configuration names, or else the
// cluster's own.
func (n *Node) externalTLS() (*tls.Config, error) {
	c := n.id.TLSClient("")
	c.VerifyConnection = nil // its servers have no roles of ours
	path := n.settings.EtcdCA
	if path == "" {
		return c, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Invalidf("etcd_ca "+path, "cannot be read").Because(err).Do("name the PEM file of the authority of that etcd cluster")
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fault.Invalidf("etcd_ca "+path, "holds no certificate").Do("name the PEM file of the authority of that etcd cluster")
	}
	return c, nil
}
