package backup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"fairlead/cmd/internal/backup"
	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/regions"
	"fairlead/regions/fault"
)

type nobody struct{}

func (nobody) SignEpoch(d regions.DatabaseID, e regions.Epoch) (regions.SignedEpoch, error) {
	return regions.SignedEpoch{Database: d, Epoch: e}, nil
}

// taken is a backup of a small store.
func taken(t *testing.T) []byte {
	t.Helper()
	s := store.New(memory.New(), store.Settings{Node: "node-1", Signer: nobody{}})
	fleet := &regions.Fleet{Regions: []regions.Region{{ID: "us-east"}, {ID: "eu-central"}}}
	if _, _, err := s.ApplyFleet(t.Context(), store.Lease{}, "alice", "why", fleet, "content"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var w *backup.Writer
	err := s.Snapshot(t.Context(), func(sum store.Summary) (err error) {
		w, err = backup.NewWriter(&out, backup.Header{Summary: sum, Node: "node-1", Taken: time.Unix(1000, 0), Version: "test"})
		return err
	}, func(p []store.Pair) error { return w.Pairs(p) })
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWhatWasTakenIsReadAndVerified(t *testing.T) {
	c, err := backup.Read(bytes.NewReader(taken(t)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := backup.Verify(t.Context(), c)
	if err != nil || v.Last != 2 || c.Node != "node-1" || c.Incarnation != 1 {
		t.Errorf("%+v, %+v, %v", c.Header, v, err)
	}
}

// Every byte counts: no file that lacks one, or in which one differs, is
// believed, and the sentence says where.
func TestNoDamagedByteIsBelieved(t *testing.T) {
	good := taken(t)
	for i := 0; i < len(good); i += stride {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if _, err := backup.Read(bytes.NewReader(bad)); !fault.Is(err, fault.Invalid) {
			t.Fatalf("byte %d of %d changed: %v, want it refused", i, len(good), err)
		}
		_, err := backup.Read(bytes.NewReader(good[:i]))
		if !fault.Is(err, fault.Invalid) {
			t.Fatalf("cut off at byte %d of %d: %v, want it refused", i, len(good), err)
		}
		if i > 64 && !strings.Contains(err.Error(), "byte ") {
			t.Fatalf("cut off at byte %d: %v does not say where", i, err)
		}
	}
	if _, err := backup.Read(bytes.NewReader(append(bytes.Clone(good), 'x'))); !fault.Is(err, fault.Invalid) {
		t.Errorf("a byte too many: %v", err)
	}
}

func TestANewerBackupIsRefusedWithASentence(t *testing.T) {
	_, err := backup.Read(strings.NewReader("fairlead-backup 2\nwhatever follows"))
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), "use that version") {
		t.Errorf("%v", err)
	}
}

// A later minor version may add fields to what it stores. They are kept as
// they are, and hinder nothing.
func TestFieldsOfALaterProgramAreKept(t *testing.T) {
	c, err := backup.Read(bytes.NewReader(taken(t)))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range c.Pairs {
		if p.Key == "format" {
			c.Pairs[i].Value = []byte(`{"format":1,"by":"node-1","colour":"green"}`)
		}
	}
	c.Pairs = append(c.Pairs, store.Pair{Key: "later/thing", Value: []byte("{}"), Created: c.Revision, Modified: c.Revision})
	if _, err := backup.Verify(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	kv := memory.New()
	s := store.New(kv, store.Settings{Node: "node-1", Signer: nobody{}, Restoring: true})
	if err := s.RestoreBackup(t.Context(), c.Backup()); err != nil {
		t.Fatal(err)
	}
	if page, err := kv.Range(t.Context(), store.Query{Span: store.Key("later/thing")}); err != nil || len(page.Pairs) != 1 {
		t.Errorf("a key of a later program was lost: %v, %v", page.Pairs, err)
	}
}

// What somebody changed and sealed anew, checksums and all, is found by the
// audit trail.
func TestWhatWasTamperedWithDoesNotVerify(t *testing.T) {
	c, err := backup.Read(bytes.NewReader(taken(t)))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range c.Pairs {
		if strings.HasPrefix(p.Key, "chain/") {
			c.Pairs[i].Value = bytes.Replace(p.Value, []byte("alice"), []byte("mallo"), 1)
		}
	}
	if _, err := backup.Verify(t.Context(), c); err == nil || !strings.Contains(err.Error(), "entry") {
		t.Errorf("a changed author = %v, want the entry named", err)
	}
}

func secret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatIsEncryptedOpensForWhoMay(t *testing.T) {
	good := taken(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	pass := secret(t, "correct horse")
	tests := []struct {
		name              string
		seal, open, wrong backup.Keys
	}{
		{"passphrase", backup.Keys{PassphraseFile: pass}, backup.Keys{PassphraseFile: pass}, backup.Keys{PassphraseFile: secret(t, "wrong")}},
		{"recipient", backup.Keys{Recipients: []string{id.Recipient().String()}}, backup.Keys{IdentityFile: secret(t, id.String())}, backup.Keys{PassphraseFile: pass}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "b.backup")
			if _, err := backup.Save(path, bytes.NewReader(good), tt.seal); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil || bytes.Contains(text, []byte("us-east")) || bytes.Contains(text, []byte("alice")) {
				t.Errorf("it can be read without the key: %v", err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
			}
			if _, err := backup.Load(path, tt.open); err != nil {
				t.Error(err)
			}
			if _, err := backup.Load(path, tt.wrong); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), path) {
				t.Errorf("with the wrong key: %v", err)
			}
			if _, err := backup.Load(path, backup.Keys{}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "encrypted") {
				t.Errorf("without a key: %v", err)
			}
			for _, bad := range [][]byte{text[:len(text)-20], append(bytes.Clone(text[:len(text)-20]), make([]byte, 20)...)} {
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := backup.Load(path, tt.open); err == nil || !strings.Contains(err.Error(), path) {
					t.Errorf("damaged and encrypted: %v, want the file named", err)
				}
			}
		})
	}
}

func TestAFileThatOthersReadIsNoPassphrase(t *testing.T) {
	path := secret(t, "x")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Keys{PassphraseFile: path}.Seal(new(bytes.Buffer))
	if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("%v", err)
	}
}

// A half-written snapshot is refused, leaves nothing behind, and replaces
// nothing.
func TestAHalfLeavesNoFile(t *testing.T) {
	good, dir := taken(t), t.TempDir()
	path := filepath.Join(dir, "b.backup")
	if _, err := backup.Save(path, bytes.NewReader(good[:len(good)/2]), backup.Keys{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("half of one: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := backup.Save(path, bytes.NewReader(good), backup.Keys{}); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Save(path, bytes.NewReader(good), backup.Keys{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("over one that exists: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("in the directory: %v, %v", left, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("fairlead-backup 1\nH\x00\x00\x00\x02{}\x00\x00\x00\x00"))
	f.Add([]byte("fairlead-backup 1\nP\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := backup.Read(bytes.NewReader(text)); err == nil {
			t.Errorf("%q was believed", text)
		}
	})
}
