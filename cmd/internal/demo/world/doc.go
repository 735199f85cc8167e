// Package world builds the small world that the demo plays in, all of it on
// loopback and below one temporary directory: three regions with a shop each,
// a PostgreSQL primary and its streaming standby with an agent beside each,
// and one Fairlead node, or three.
//
// Nothing in it is pretended. Shops, agents, nodes and database servers are
// processes that a signal ends, started from the files that a company would
// write, and the program they run is the one that is being shown.
//
// The surprising choice: [World.Close] is the only way to stop anything
// politely. The story, and whoever plays with the demo, end things as outages
// do: with SIGKILL.
package world
