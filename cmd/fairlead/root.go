package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/cmd/internal/logline"
	"fairlead/cmd/internal/version"
)

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Steer users to healthy regions, and move databases between them",
		Long: `Fairlead watches regions, answers DNS so that users reach healthy ones, and runs the step-by-step procedures by which
people move a company's databases to another region.

Exit codes: 0 done; 1 failed, with a sentence on standard error; 2 wrong usage; 3 the node was not reached; 4 a person is
waited for. Runs that are waited for end with 0 done, 10 refused and nothing changed, 20 undone and the old writer serves,
30 stopped half way and a person is needed.`,
		Version:       version.String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	addGlobalFlags(root)
	root.AddGroup(&cobra.Group{ID: "look", Title: "See what is:"}, &cobra.Group{ID: "act", Title: "Decide:"},
		&cobra.Group{ID: "run", Title: "Run procedures:"}, &cobra.Group{ID: "access", Title: "Access and record:"},
		&cobra.Group{ID: "node", Title: "Be a node:"})
	group(root, "look", statusCommand(), explainCommand(), doctorCommand())
	group(root, "act", drainCommand(), restoreCommand(), overrideCommand(), freezeCommand(), bundleCommand())
	group(root, "run", runbookCommand(), executionCommand())
	group(root, "access", auditCommand(), tokenCommand(), whoamiCommand(), backupCommand())
	group(root, "node", serveCommand(), agentCommand(), demoCommand(), checkCommand(), certsCommand(), recoveryCommand(), dnsCommand(), restoreBackupCommand())
	root.AddCommand(versionCommand(), demoShopCommand())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return err })
	finish(root)
	return root
}

func group(root *cobra.Command, id string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = id
	}
	root.AddCommand(commands...)
}

// finish makes every command tell its own failures from wrong usage, and a
// command that only holds others refuse a word that is none of them.
func finish(c *cobra.Command) {
	for _, sub := range c.Commands() {
		finish(sub)
	}
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if err := run(cmd, args); err != nil {
				return ran{err}
			}
			return nil
		}
		return
	}
	if c.HasSubCommands() {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), didYouMean(cmd, args[0]))
			}
			return cmd.Help()
		}
	}
}

func didYouMean(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return fmt.Sprintf("; did you mean %s?", near[0])
	}
	return ""
}

// logger returns the log of a command that runs on: text for people on
// standard error, JSON for machines. Nobody waits for it; flush writes what is
// left when the command ends.
func logger(cmd *cobra.Command) (log *slog.Logger, flush func()) {
	var level slog.Level
	text, _ := cmd.Flags().GetString("log-level")
	if err := level.UnmarshalText([]byte(text)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	handler := func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
	if format, _ := cmd.Flags().GetString("log-format"); format == "json" {
		handler = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	}
	out := logline.New(cmd.ErrOrStderr(), func(lines int) string {
		var b strings.Builder
		slog.New(handler(&b)).Warn("log lines were dropped because nobody took them", "lines", lines)
		return b.String()
	})
	return slog.New(handler(out)), out.Close
}

func oneOf(name, value string, words ...string) error {
	if !slices.Contains(words, value) {
		return fmt.Errorf("--%s %s: use one of %v", name, value, words)
	}
	return nil
}
