package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Lifetimes. An authority outlives the machines; a node's certificate is
// renewed with the program, and expiry is reported a month ahead.
const (
	authorityLife = 20 * 365 * 24 * time.Hour
	nodeLife      = 2 * 365 * 24 * time.Hour
	backdated     = time.Hour // clocks of nodes differ
)

// Authority issues a cluster's certificates.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Request is what a certificate is to say.
type Request struct {
	Node  regions.NodeID
	Roles []Role
	Hosts []string // DNS names and IP addresses at which the node is reached
}

func (r Request) check() error {
	subject := "certificate of node " + string(r.Node)
	if err := regions.CheckID("node", string(r.Node)); err != nil {
		return err
	}
	if len(r.Roles) == 0 {
		return fault.Invalidf(subject, "has no role").Do("give one or more of control, probe, dns, agent")
	}
	for _, role := range r.Roles {
		if _, err := ParseRole(string(role)); err != nil {
			return err
		}
	}
	return nil
}

// NewAuthority makes an authority in dir, which must not hold one. A key alone
// is what a crash left behind, and is used.
func NewAuthority(dir string) (*Authority, error) {
	if _, err := os.Stat(filepath.Join(dir, caCert)); err == nil {
		return nil, fault.Conflictf("authority in "+dir, "exists already").Do("use it, or move it away; certificates of one are not accepted by another")
	}
	key, err := readKey(filepath.Join(dir, caKey))
	written := err == nil
	if fault.Is(err, fault.NotFound) {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key for the authority: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "Fairlead authority"},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fault.New(fault.Internal, "authority", "cannot make its certificate").Because(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwritable(dir, err)
	}
	if !written {
		if err := writeKey(filepath.Join(dir, caKey), key); err != nil {
			return nil, err
		}
	}
	if err := writeCerts(filepath.Join(dir, caCert), der); err != nil {
		return nil, err
	}
	return OpenAuthority(dir)
}

// OpenAuthority reads the authority in dir.
func OpenAuthority(dir string) (*Authority, error) {
	certs, err := readCerts(filepath.Join(dir, caCert))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, caKey))
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(certs[0].PublicKey) {
		return nil, fault.Invalidf("authority in "+dir, "its key does not belong to its certificate").Do("put both back from one backup")
	}
	return &Authority{cert: certs[0], key: key}, nil
}

// Issue makes a certificate and writes it into dir, with its key and the
// authority's certificate: all that the node needs.
func (a *Authority) Issue(dir string, r Request) error {
	if err := r.check(); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fault.New(fault.Internal, "certificate of node "+string(r.Node), "cannot make a key").Because(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: string(r.Node)},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(nodeLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{string(r.Node)},
	}
	for _, role := range r.Roles {
		template.Subject.OrganizationalUnit = append(template.Subject.OrganizationalUnit, string(role))
	}
	for _, host := range r.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return fault.New(fault.Internal, "certificate of node "+string(r.Node), "cannot be made").Because(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unwritable(dir, err)
	}
	if err := writeKey(filepath.Join(dir, nodeKey), key); err != nil {
		return err
	}
	if err := writeCerts(filepath.Join(dir, nodeCert), der); err != nil {
		return err
	}
	return writeCerts(filepath.Join(dir, caCert), a.cert.Raw)
}

// Mint returns the identity in dir. If there is none it makes one there, with
// an authority of its own if need be: what a node does that starts alone.
func Mint(dir string, r Request) (*Identity, error) {
	_, err := os.Stat(filepath.Join(dir, nodeCert))
	if err == nil {
		return Load(dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(filepath.Join(dir, nodeCert), err)
	}
	a, err := OpenAuthority(dir)
	if fault.Is(err, fault.NotFound) {
		if _, stat := os.Stat(filepath.Join(dir, caCert)); stat == nil {
			return nil, fault.NotFoundf("identity in "+dir, "has the authority's certificate, but neither its key nor a certificate of this node").
				Do("issue one where the authority's key is, and copy it here")
		}
		a, err = NewAuthority(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := a.Issue(dir, r); err != nil {
		return nil, err
	}
	return Load(dir)
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system's randomness cannot fail (crypto/rand)
	}
	return n
}
