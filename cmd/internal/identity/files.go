package identity

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"

	"fairlead/cmd/internal/disk"
	"fairlead/regions/fault"
)

const (
	caCert   = "ca.crt"
	caKey    = "ca.key"
	nodeCert = "node.crt"
	nodeKey  = "node.key"
)

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.NotFoundf("identity", "%s is missing", path).Because(err).Do("issue a certificate with the cluster's authority")
	}
	return fault.Deniedf("identity", "%s cannot be read", path).Because(err).Do("give this user the right to read it")
}

func unwritable(path string, err error) error {
	return fault.Deniedf("identity", "%s cannot be written", path).Because(err).Do("give this user the right to write there, or free some space")
}

func write(path string, block *pem.Block, mode os.FileMode) error {
	if err := disk.Replace(path, pem.EncodeToMemory(block), mode); err != nil {
		return unwritable(path, err)
	}
	return nil
}

func writeCerts(path string, der []byte) error {
	return write(path, &pem.Block{Type: "CERTIFICATE", Bytes: der}, 0o644)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return unwritable(path, err)
	}
	return write(path, &pem.Block{Type: "PRIVATE KEY", Bytes: der}, 0o600)
}

func readCerts(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, damaged(path, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, damaged(path, errors.New("no certificate in it"))
	}
	return certs, nil
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.Deniedf("identity", "%s may be read by others (mode %04o)", path, info.Mode().Perm()).Do("chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, damaged(path, errors.New("no key in it"))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, damaged(path, err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, damaged(path, errors.New("not an ECDSA key"))
	}
	return ec, nil
}

func damaged(path string, err error) error {
	return fault.Invalidf("identity", "%s is damaged", path).Because(err).Do("put it back, or issue a new certificate with the cluster's authority")
}
