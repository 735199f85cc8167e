package identity

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Sign signs a payload with the node's key, ECDSA over its SHA-256, and
// returns the certificates (DER, leaf first) by which anybody can verify it
// who has the authority's.
func (i *Identity) Sign(payload []byte) (signature []byte, chain [][]byte, err error) {
	if !i.Has(Control) {
		return nil, nil, fault.Deniedf("node "+string(i.Node), "may not sign decisions, its certificate lacks the role control")
	}
	p := i.held.Load() // the key and its certificate, from one renewal
	sum := sha256.Sum256(payload)
	signature, err = ecdsa.SignASN1(rand.Reader, p.key, sum[:])
	if err != nil {
		return nil, nil, fault.New(fault.Internal, "node "+string(i.Node), "cannot sign").Because(err)
	}
	return signature, slices.Clone(p.cert.Certificate), nil
}

// Verify returns nil if a control node of this cluster has signed the
// payload, whether or not its certificate has expired since.
func (i *Identity) Verify(payload, signature []byte, chain [][]byte) error {
	leaf, err := verifyChain(i.held.Load().roots, chain)
	if err != nil {
		return fault.Deniedf("signature", "is not by a node of this cluster").Because(err)
	}
	if !has(leaf, []Role{Control}) {
		return fault.Deniedf("signature by node "+leaf.Subject.CommonName, "that node may not sign decisions, its certificate lacks the role control")
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	sum := sha256.Sum256(payload)
	if !ok || !ecdsa.VerifyASN1(key, sum[:], signature) {
		return fault.Deniedf("signature by node "+leaf.Subject.CommonName, "does not match what is signed")
	}
	return nil
}

// SignEpoch signs an epoch for a database.
func (i *Identity) SignEpoch(database regions.DatabaseID, epoch regions.Epoch) (regions.SignedEpoch, error) {
	s := regions.SignedEpoch{Database: database, Epoch: epoch}
	var err error
	s.Signature, s.Chain, err = i.Sign(s.Payload())
	return s, err
}

// VerifyEpoch returns nil if a control node of this cluster has signed it.
func (i *Identity) VerifyEpoch(s regions.SignedEpoch) error {
	if err := i.Verify(s.Payload(), s.Signature, s.Chain); err != nil {
		return fault.Deniedf("epoch "+s.Epoch.String()+" of "+string(s.Database), "cannot be trusted").Because(err)
	}
	return nil
}

// verifyChain returns the leaf of a chain that leads to one of the roots. The
// time looked at is the leaf's own beginning: expiry does not matter here.
func verifyChain(roots *x509.CertPool, chain [][]byte) (*x509.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, err
	}
	between := x509.NewCertPool()
	for _, der := range chain[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		between.AddCert(c)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between,
		CurrentTime: leaf.NotBefore.Add(time.Second + backdated),
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return leaf, err
}
