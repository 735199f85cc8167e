// Package agent is the small program beside a database server: it controls
// the server for Fairlead, and it is what makes a fence provable.
//
// [New] checks a [Config]; [Agent.Run] starts the server unless it is fenced
// and then answers verbs over mutual TLS until its context ends. [Client] is
// the other end. Each verb carries a key (a repetition has no second effect)
// and an epoch: the agent keeps the newest epoch it has ever seen on its own
// disk and refuses older ones, so a control plane that comes back from the
// past cannot start or stop anything.
//
// # What a fence is
//
// Stopping a server is not a fence: it writes again when somebody starts it.
// The fence verb therefore writes first and stops second: its own record (the
// agent will not start the server), then standby.signal in the data directory
// (whoever starts it by hand gets a read-only standby), then it ends the
// server and looks at every process of the machine until none holds the data
// directory. Only then it says fenced. A person who removes standby.signal
// undoes it; the evidence says so.
//
// # The surprising choices
//
// The server outlives the agent, in its own session, and the agent finds it
// again: restarting the agent never touches a database. The agent does not
// supervise: a server that dies stays dead until a verb or a person starts it,
// because a restart in the middle of a promotion would make a second writer.
// And once begun, a verb runs to its end within its limit even if the caller
// is gone, because half a rewind helps nobody.
//
// The agent finds processes through /proc and must share the process namespace
// of the server.
package agent
