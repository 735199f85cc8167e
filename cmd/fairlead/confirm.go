package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// addYes adds the flag by which a script says what a person would.
func addYes(c *cobra.Command) {
	c.Flags().BoolP("yes", "y", false, "do it without asking; needed where standard input is no terminal")
}

// addReason adds the reason that every decision has.
func addReason(c *cobra.Command) {
	c.Flags().String("reason", "", "why; kept in the audit trail")
	_ = c.MarkFlagRequired("reason")
}

func reasonOf(cmd *cobra.Command) string {
	r, _ := cmd.Flags().GetString("reason")
	return r
}

func yes(cmd *cobra.Command) bool {
	y, _ := cmd.Flags().GetBool("yes")
	return y
}

// mustAsk fails, before anything is shown, if a person would have to be asked
// and cannot be.
func mustAsk(cmd *cobra.Command) error {
	if !yes(cmd) && !isTerminal(cmd.InOrStdin()) {
		return usagef("%s would have to ask, and standard input is no terminal: add --yes to do it without asking", cmd.CommandPath())
	}
	return nil
}

// confirm asks for a word and returns an error unless it is given. Who has to
// type the name of what is lost has read it.
func confirm(cmd *cobra.Command, question, word string) error {
	if yes(cmd) {
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s Type %q to go on: ", question, word)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != word {
		return fmt.Errorf("%s: not confirmed, so nothing was done", cmd.CommandPath())
	}
	return nil
}
