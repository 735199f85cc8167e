package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"fairlead/regions/fault"
)

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
