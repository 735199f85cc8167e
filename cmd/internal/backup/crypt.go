package backup

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strings"

	"filippo.io/age"

	"fairlead/regions/fault"
)

// Keys say how a backup is encrypted or opened. Secrets are in files, never in
// arguments: other users of a machine can read command lines.
type Keys struct {
	PassphraseFile string
	Recipients     []string // age1…, public: to encrypt to
	IdentityFile   string   // the private side of recipients: to open
}

const ageMagic = "age-encryption.org/"

// Seal returns a writer that encrypts to out, or out itself if there is
// nothing to encrypt to. What was written counts once it is closed.
func (k Keys) Seal(out io.Writer) (io.WriteCloser, error) {
	var to []age.Recipient
	for _, text := range k.Recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, fault.Invalidf("recipient "+text, "is none").Because(err).Do("give the public key that age-keygen prints: age1…")
		}
		to = append(to, r)
	}
	if k.PassphraseFile != "" {
		if len(to) > 0 {
			return nil, fault.Invalidf("backup", "is encrypted with a passphrase or to recipients, not both").Do("choose one")
		}
		pass, err := secret(k.PassphraseFile)
		if err != nil {
			return nil, err
		}
		r, err := age.NewScryptRecipient(pass)
		if err != nil {
			return nil, err
		}
		to = append(to, r)
	}
	if len(to) == 0 {
		return plain{out}, nil
	}
	return age.Encrypt(out, to...)
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// Unseal returns what a file holds, decrypted if it is encrypted.
func (k Keys) Unseal(in io.Reader) (io.Reader, error) {
	b := bufio.NewReader(in)
	if begin, _ := b.Peek(len(ageMagic)); !bytes.Equal(begin, []byte(ageMagic)) { // a short file is told by Read
		return b, nil
	}
	ids, err := k.identities()
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fault.Invalidf("backup", "it is encrypted").Do("give --passphrase-file or --identity-file")
	}
	out, err := age.Decrypt(b, ids...)
	if err != nil {
		return nil, fault.Deniedf("backup", "it cannot be decrypted: another passphrase or key, or its beginning is damaged").Because(err).
			Do("give what it was encrypted with")
	}
	return out, nil
}

func (k Keys) identities() ([]age.Identity, error) {
	var ids []age.Identity
	if k.PassphraseFile != "" {
		pass, err := secret(k.PassphraseFile)
		if err != nil {
			return nil, err
		}
		id, err := age.NewScryptIdentity(pass)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if k.IdentityFile != "" {
		text, err := secret(k.IdentityFile)
		if err != nil {
			return nil, err
		}
		more, err := age.ParseIdentities(strings.NewReader(text))
		if err != nil {
			return nil, fault.Invalidf("identity file "+k.IdentityFile, "holds no key of age").Because(err).Do("give the file that age-keygen wrote")
		}
		ids = append(ids, more...)
	}
	return ids, nil
}

// secret reads a file that nobody else on this machine can read.
func secret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fault.Invalidf("file "+path, "cannot be read").Because(err).Do("check the path")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fault.Deniedf("file "+path, "others on this machine can read it (mode %04o)", mode).Do("chmod 600 %s", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Deniedf("file "+path, "cannot be read").Because(err).Do("give this user the right to read it")
	}
	pass := strings.TrimSpace(string(text))
	if pass == "" {
		return "", fault.Invalidf("file "+path, "is empty").Do("write the secret into it")
	}
	return pass, nil
}
