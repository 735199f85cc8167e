package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"

	"fairlead/cmd/internal/config"
	"fairlead/cmd/internal/etcd"
	"fairlead/cmd/internal/identity"
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
	s, err := n.storeSettings()
	if err != nil {
		return err
	}
	if n.db, err = etcd.New(s); err != nil {
		return err
	}
	restoring := n.findPending()
	n.store = store.New(n.db, store.Settings{Node: string(n.settings.Name), Signer: n.signer(), Remembered: n.decided, Superseded: n.superseded, Recovering: func() bool { return n.recovering.pending() },
		Epochs: n.heardEpochs, Restoring: restoring, Log: n.log})
	if kept != nil {
		n.newest.Store(kept)
	}
	return nil
}

func (n *Node) signer() store.Signer {
	if n.settings.Has(config.Control) {
		return n.id
	}
	return nil
}

// storeSettings says which etcd this node uses: an external one, a member of
// its own, or the members of the control nodes.
func (n *Node) storeSettings() (etcd.Settings, error) {
	s := etcd.Settings{Log: n.log.With("part", "store"), Name: string(n.settings.Name)}
	switch {
	case len(n.settings.Etcd) > 0:
		s.Endpoints = n.settings.Etcd
		var err error
		s.TLS, err = n.externalTLS()
		return s, err
	case !n.settings.Has(config.Control):
		for _, p := range n.settings.Peers {
			if p.Has(config.Control) && p.Client != "" {
				s.Endpoints = append(s.Endpoints, "https://"+p.Client)
			}
		}
		if len(s.Endpoints) == 0 {
			return s, noControl(n.settings.Name)
		}
		s.TLS = n.id.TLSClient("", identity.Control)
		return s, nil
	}
	s.Dir, s.Begin = filepath.Join(n.settings.DataDir, "store"), n.recovering.begin()
	controls := 0
	for _, p := range n.settings.Peers {
		if p.Has(config.Control) {
			s.Peers = append(s.Peers, etcd.Peer{Name: string(p.Name), Address: p.Peer})
			controls++
		} else {
			s.Clients = append(s.Clients, string(p.Name))
		}
	}
	if len(n.settings.Peers) == 0 {
		return s, nil // alone: nobody else is a client
	}
	s.Certificates.CA, s.Certificates.Cert, s.Certificates.Key = n.id.Files()
	s.Peers = append(s.Peers, etcd.Peer{Name: string(n.settings.Name), Address: n.settings.StorePeer})
	s.ListenPeer, s.ListenClient = n.settings.StorePeer, n.settings.StoreClient
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
