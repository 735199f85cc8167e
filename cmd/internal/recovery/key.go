package recovery

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fairlead/regions"
	"fairlead/regions/fault"
)

// Key is one person's, in memory.
type Key struct {
	Person  string
	private ed25519.PrivateKey
}

// Public is what the configuration names.
func (k *Key) Public() string {
	return base64.StdEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey))
}

// ParsePublic reads what [Key.Public] returned.
func ParsePublic(text string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fault.Invalidf("recovery key", "%q is not the public half of a recovery key", text).Do("write what fairlead recovery keygen printed")
	}
	return b, nil
}

const (
	keyKind = "fairlead recovery key"
	rounds  = 600_000 // of PBKDF2-SHA-256, as OWASP asks for
)

// keyFile is how a key lies on its owner's disk. Exactly one of Seed and
// Sealed is set.
type keyFile struct {
	Kind   string `json:"kind"`
	Person string `json:"person"`
	Public string `json:"public"`
	Seed   []byte `json:"seed,omitempty"`
	Salt   []byte `json:"salt,omitempty"`
	Sealed []byte `json:"sealed,omitempty"` // nonce and seed, AES-256-GCM under the passphrase
}

// NewKey makes a key.
func NewKey(person string) (*Key, error) {
	if err := regions.CheckID("person", person); err != nil {
		return nil, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fault.New(fault.Internal, "recovery key of "+person, "cannot be made").Because(err)
	}
	return &Key{person, private}, nil
}

// Write puts a key into a new file that its owner alone can read, under a
// passphrase if there is one.
func (k *Key) Write(path, passphrase string) error {
	f := keyFile{Kind: keyKind, Person: k.Person, Public: k.Public()}
	if passphrase == "" {
		f.Seed = k.private.Seed()
	} else {
		f.Salt = make([]byte, 16)
		rand.Read(f.Salt) // never fails
		seal, err := sealer(passphrase, f.Salt)
		if err != nil {
			return err
		}
		nonce := make([]byte, seal.NonceSize())
		rand.Read(nonce)
		f.Sealed = seal.Seal(nonce, nonce, k.private.Seed(), []byte(f.Public))
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.Conflictf("recovery key "+path, "there is a file of that name, which might be a key").Do("choose another name, or move it away yourself")
	}
	if err != nil {
		return fault.Invalidf("recovery key "+path, "cannot be written").Because(err)
	}
	_, err = file.Write(format(f))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fault.Invalidf("recovery key "+path, "cannot be written").Because(err).Do("remove what is there of it, and make room")
	}
	return nil
}

// LoadKey reads a key. Passphrase is asked for only if the key has one.
func LoadKey(path string, passphrase func() (string, error)) (*Key, error) {
	subject := "recovery key " + path
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.NotFoundf(subject, "cannot be read").Because(err).Do("name the file that fairlead recovery keygen wrote")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.Deniedf(subject, "may be read by others (mode %04o)", info.Mode().Perm()).Do("chmod 600 %s, and make a new key if others could read it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Deniedf(subject, "cannot be read").Because(err)
	}
	var f keyFile
	if err := read(subject, text, &f); err != nil {
		return nil, err
	}
	seed := f.Seed
	if len(f.Sealed) > 0 {
		words, err := passphrase()
		if err != nil {
			return nil, err
		}
		if seed, err = f.open(words); err != nil {
			return nil, fault.Deniedf(subject, "the passphrase is not the one that it was made with").Do("type it again")
		}
	}
	if f.Kind != keyKind || len(seed) != ed25519.SeedSize {
		return nil, fault.Invalidf(subject, "is not a recovery key").Do("name the file that fairlead recovery keygen wrote")
	}
	k := &Key{f.Person, ed25519.NewKeyFromSeed(seed)}
	if k.Public() != f.Public {
		return nil, fault.Invalidf(subject, "is damaged: its halves do not fit").Do("take it from your copy of it")
	}
	return k, nil
}

func (f *keyFile) open(passphrase string) ([]byte, error) {
	seal, err := sealer(passphrase, f.Salt)
	if err != nil {
		return nil, err
	}
	if len(f.Sealed) < seal.NonceSize() {
		return nil, errors.New("too short")
	}
	nonce := f.Sealed[:seal.NonceSize()]
	return seal.Open(nil, nonce, f.Sealed[len(nonce):], []byte(f.Public))
}

func sealer(passphrase string, salt []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha256.New, passphrase, salt, rounds, 32)
	if err != nil {
		return nil, fmt.Errorf("derive a key from a passphrase: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
