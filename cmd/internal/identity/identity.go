package identity

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"sync/atomic"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Identity is who this node is. That never changes; the certificate that
// proves it is replaced by [Identity.Refresh].
type Identity struct {
	Node  regions.NodeID
	Roles []Role

	dir  string
	held atomic.Pointer[proof]
}

// proof is what shows who a node is. It is immutable.
type proof struct {
	expires time.Time
	key     *ecdsa.PrivateKey
	cert    tls.Certificate
	cas     []*x509.Certificate
	roots   *x509.CertPool
}

// Expires is the end of the node's certificate, or of the authority's if that
// is sooner.
func (i *Identity) Expires() time.Time { return i.held.Load().expires }

// Load reads the identity in dir. An expired one is loaded too: a node that
// answers names must not stay down for it. [Identity.Expires] tells.
func Load(dir string) (*Identity, error) {
	cas, err := readCerts(filepath.Join(dir, caCert))
	if err != nil {
		return nil, err
	}
	chain, err := readCerts(filepath.Join(dir, nodeCert))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, nodeKey))
	if err != nil {
		return nil, err
	}
	leaf := chain[0]
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, fault.Invalidf("identity in "+dir, "node.key does not belong to node.crt").Do("issue a new certificate with the cluster's authority")
	}
	id := &Identity{Node: regions.NodeID(leaf.Subject.CommonName), Roles: RolesOf(leaf), dir: dir}
	p := &proof{
		expires: leaf.NotAfter, key: key, cas: cas, roots: x509.NewCertPool(),
		cert: tls.Certificate{PrivateKey: key, Leaf: leaf},
	}
	for _, ca := range cas {
		p.roots.AddCert(ca)
		if ca.NotAfter.Before(p.expires) {
			p.expires = ca.NotAfter
		}
	}
	for _, c := range chain {
		p.cert.Certificate = append(p.cert.Certificate, c.Raw)
	}
	if _, err := verifyChain(p.roots, p.cert.Certificate); err != nil {
		return nil, fault.Invalidf("identity in "+dir, "node.crt was not issued by ca.crt").Because(err).Do("put the authority's certificate of this cluster beside it")
	}
	if id.Node == "" || len(id.Roles) == 0 {
		return nil, fault.Invalidf("identity in "+dir, "its certificate names no node, or no role").Do("issue a new certificate with the cluster's authority")
	}
	id.held.Store(p)
	return id, nil
}

// Has reports whether this node bears a role.
func (i *Identity) Has(r Role) bool { return has(i.held.Load().cert.Leaf, []Role{r}) }

// Files returns the paths of the authority's certificate, this node's and its
// key, for who wants files.
func (i *Identity) Files() (ca, cert, key string) {
	return filepath.Join(i.dir, caCert), filepath.Join(i.dir, nodeCert), filepath.Join(i.dir, nodeKey)
}

// ExpirySoon says in a sentence that the certificate has expired, or will
// within thirty days of now; empty if it will not.
func (i *Identity) ExpirySoon(now time.Time) string {
	expires := i.Expires()
	left := expires.Sub(now)
	switch {
	case left <= 0:
		return "the certificate of node " + string(i.Node) + " expired on " + expires.UTC().Format("2006-01-02 15:04Z") +
			"; its peers refuse it (issue a new one with the cluster's authority)"
	case left < 30*24*time.Hour:
		return "the certificate of node " + string(i.Node) + " expires on " + expires.UTC().Format("2006-01-02 15:04Z") +
			" (issue a new one with the cluster's authority before that)"
	}
	return ""
}

// TLSServer returns the configuration of a listener that lets in nodes of the
// cluster that bear any of the roles; any node if none is given. Each
// connection is met with what [Identity.Refresh] last took up.
func (i *Identity) TLSServer(roles ...Role) *tls.Config {
	c := i.serverNow(roles)
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return i.serverNow(roles), nil }
	return c
}

func (i *Identity) serverNow(roles []Role) *tls.Config {
	p := i.held.Load()
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		Certificates:     []tls.Certificate{p.cert},
		ClientAuth:       tls.RequireAndVerifyClientCert,
		ClientCAs:        p.roots,
		VerifyConnection: requireRole(roles),
	}
}

// TLSClient returns the configuration to dial a node of the cluster that
// bears any of the roles. ServerName is the node's name, or the host name or
// address in its certificate. A refreshed certificate is shown from then on;
// the authorities trusted are those of the moment of this call.
func (i *Identity) TLSClient(serverName string, roles ...Role) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &i.held.Load().cert, nil
		},
		RootCAs:          i.held.Load().roots,
		ServerName:       serverName,
		VerifyConnection: requireRole(roles),
	}
}

// requireRole is asked of resumed connections too, as VerifyPeerCertificate
// would not be.
func requireRole(roles []Role) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.VerifiedChains) == 0 {
			return fault.Deniedf("node", "showed no certificate of this cluster")
		}
		if leaf := s.VerifiedChains[0][0]; !has(leaf, roles) {
			return fault.Deniedf("node "+leaf.Subject.CommonName, "its certificate has the roles %v, and one of %v is needed here", RolesOf(leaf), roles).
				Do("issue it a certificate with that role")
		}
		return nil
	}
}

// Peer returns who is at the other end of a connection that one of our
// configurations has let through.
func Peer(s tls.ConnectionState) (regions.NodeID, []Role, bool) {
	if len(s.VerifiedChains) == 0 {
		return "", nil, false
	}
	leaf := s.VerifiedChains[0][0]
	return regions.NodeID(leaf.Subject.CommonName), RolesOf(leaf), true
}

// TLSPublic returns the configuration of a listener for people and programs
// that have no certificate of the cluster; they sign in by other means.
func (i *Identity) TLSPublic() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &i.held.Load().cert, nil
	}}
}
