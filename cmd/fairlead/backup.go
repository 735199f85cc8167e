package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fairlead/cmd/internal/backup"
	"fairlead/cmd/internal/replica"
)

// backupFacts are what the commands say of a backup.
type backupFacts struct {
	File        string    `json:"file"`
	Node        string    `json:"node"`
	Taken       time.Time `json:"taken"`
	Version     string    `json:"version"`
	Incarnation uint64    `json:"incarnation"`
	Generation  uint64    `json:"generation"`
	Entries     uint64    `json:"entries"`
	HeadHash    string    `json:"head_hash"`
	Keys        int       `json:"keys"`
	SHA256      string    `json:"sha256"`
	Next        string    `json:"next,omitempty"`
}

func factsOf(file string, c *backup.Content) backupFacts {
	return backupFacts{File: file, Node: c.Node, Taken: c.Taken, Version: c.Version, Incarnation: c.Incarnation, Generation: c.Generation,
		Entries: c.Number, HeadHash: c.Hash, Keys: len(c.Pairs), SHA256: c.ID}
}

func printBackup(p *page, f backupFacts) {
	p.line("%s: generation %d of incarnation %d, taken by %s at %s", f.File, f.Generation, f.Incarnation, f.Node, f.Taken.UTC().Format(time.RFC3339))
	p.line("%d keys; audit trail up to entry %d, sealed as %s", f.Keys, f.Entries, f.HeadHash)
	if f.Next != "" {
		p.line("%s", f.Next)
	}
}

func backupCommand() *cobra.Command {
	var keys backup.Keys
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Take a copy of everything that the store holds",
		Long: `Take a copy of everything that the store holds, as of one moment, into a new file that only you can read. It is read while it
arrives: one that is not whole leaves no file. Needs the role admin, and enters the audit trail.

The copy holds no secret of a token, but names, addresses and the whole record: encrypt it where it goes elsewhere, with a
passphrase or to recipients of age. An encrypted one is an ordinary age file.`,
		Example: `  fairlead backup /mnt/backups/fairlead.backup
  fairlead backup --passphrase-file passphrase /mnt/backups/fairlead.backup`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			in, err := c.Backup(cmd.Context())
			if err != nil {
				return err
			}
			defer in.Close()
			content, err := backup.Save(args[0], in, keys)
			if err != nil {
				return err
			}
			if _, err := backup.Verify(cmd.Context(), content); err != nil {
				return fmt.Errorf("%s is written, and what the node sent does not verify: %w", args[0], err)
			}
			return show(cmd, factsOf(args[0], content), printBackup)
		},
	}
	c.Flags().StringVar(&keys.PassphraseFile, "passphrase-file", "", "file with a passphrase to encrypt with")
	c.Flags().StringSliceVar(&keys.Recipients, "recipient", nil, "public key of age to encrypt to: age1…")
	c.AddCommand(backupVerifyCommand())
	return c
}

func openFlags(c *cobra.Command, keys *backup.Keys) {
	c.Flags().StringVar(&keys.PassphraseFile, "passphrase-file", "", "file with the passphrase that it was encrypted with")
	c.Flags().StringVar(&keys.IdentityFile, "identity-file", "", "file with the private key of age that it was encrypted to")
}

func backupVerifyCommand() *cobra.Command {
	var keys backup.Keys
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Prove that a backup is whole and can be restored",
		Long: `Read a backup, compare every checksum, and walk the audit trail inside. No node is asked. Exit code 1 if it is damaged, with a
sentence that says where.`,
		Example: `  fairlead backup verify /mnt/backups/fairlead.backup`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := loadBackup(cmd, args[0], keys)
			if err != nil {
				return err
			}
			return show(cmd, factsOf(args[0], content), printBackup)
		},
	}
	openFlags(c, &keys)
	return c
}

func loadBackup(cmd *cobra.Command, path string, keys backup.Keys) (*backup.Content, error) {
	content, err := backup.Load(path, keys)
	if err != nil {
		return nil, err
	}
	if _, err := backup.Verify(cmd.Context(), content); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return content, nil
}

func restoreBackupCommand() *cobra.Command {
	var keys backup.Keys
	var dataDir string
	c := &cobra.Command{
		Use:   "restore-backup FILE",
		Short: "Have a stopped control node begin the store from a backup",
		Long: `Verify a backup and lay it into the data directory of a stopped control node. Its next start begins the store from it, if the
store is empty. The incarnation rises by one, and no writer goes back: for each database the newest epoch counts that the
backup, the node's own copies and its neighbours know. Runs that were open wait for a person. The first new entry of the
audit trail says what came from where.

Tokens are those of the backup: one that was revoked since works again, so look at fairlead token list. With several
control nodes, stop all of them, move data_dir/store away on each, and give each of them the same file.`,
		Example: `  fairlead restore-backup /mnt/backups/fairlead.backup --data-dir /var/lib/fairlead`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := loadBackup(cmd, args[0], keys)
			if err != nil {
				return err
			}
			if err := backup.Stage(content, dataDir); err != nil {
				return err
			}
			facts := factsOf(args[0], content)
			facts.Next, err = nextOf(content, dataDir)
			if err != nil {
				return err
			}
			return show(cmd, facts, printBackup)
		},
	}
	openFlags(c, &keys)
	c.Flags().StringVar(&dataDir, "data-dir", "", "data directory of the stopped node")
	_ = c.MarkFlagRequired("data-dir")
	return c
}

// nextOf says what the node will make of the backup, by what it remembers.
func nextOf(c *backup.Content, dataDir string) (string, error) {
	const next = "start the node: it begins the store from this, unless it finds one"
	r, err := replica.Open(dataDir + "/decided")
	if err != nil {
		return "", err
	}
	d, _, err := r.Load()
	switch {
	case err != nil:
		return "", err
	case d == nil:
		return "The node has no copy of the decided state: what was decided after the backup is not known to it. If another control node has one, restore there. Else " + next, nil
	case d.Incarnation < c.Incarnation || d.Incarnation == c.Incarnation && d.Generation < c.Generation:
		return fmt.Sprintf("The node's own copy, generation %d of incarnation %d, is older than the backup. Now %s", d.Generation, d.Incarnation, next), nil
	}
	return fmt.Sprintf("The node's own copy is generation %d of incarnation %d: fleet, overrides and newer writers are taken from it. Now %s", d.Generation, d.Incarnation, next), nil
}
