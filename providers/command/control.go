package command

import (
	"context"
	"strings"
	"time"

	"fairlead/regions/fault"
)

// OutOfReach is the exit code by which a control program says that the host
// is out of reach: nothing is known of it.
const OutOfReach = 75

// Control controls a database server through a program of its owner's. The
// program gets the verb as one more argument and, in its environment, what the
// verb is about. Verbs may be repeated without harm. Exit 0: done and
// confirmed; 75: out of reach; else failed, and the last line of standard
// error is the reason. What is to outlive the verb, such as the server that
// "start" starts, must leave the process group (setsid; pg_ctl does it).
type Control struct {
	Subject string        // what it controls, for error messages: "orders in us-east"
	Program []string      // path and arguments, before the verb
	Limit   time.Duration // for each verb; 0: DefaultLimit
}

// Do runs one verb and returns what the program printed. A host out of reach
// is [fault.Unavailable], a run that met its time limit too; any other failure
// is [fault.Conflict], with the program's reason.
func (c Control) Do(ctx context.Context, verb string, env ...string) (string, error) {
	subject := c.Subject + ", control command " + verb
	if len(c.Program) == 0 {
		return "", fault.Invalidf(subject, "no control command is configured").Do("set control.command, or run an agent beside the server")
	}
	program := append(append([]string(nil), c.Program...), verb)
	out, err := Run(ctx, Spec{Program: program, Env: append(Environment(), env...), Limit: c.Limit})
	switch {
	case err != nil:
		return "", err
	case out.TimedOut:
		return "", fault.Unavailablef(subject, "was ended after %v: nothing is known of what it did", out.Took.Round(time.Millisecond)).
			Do("look at the server, then repeat the verb: repeating does no harm")
	case out.Exit == 0:
		return strings.TrimSpace(out.Stdout), nil
	case out.Exit == OutOfReach:
		return "", fault.Unavailablef(subject, "says that the host is out of reach: %s", out.Reason())
	}
	return "", fault.Conflictf(subject, "failed with exit code %d: %s", out.Exit, out.Reason())
}
