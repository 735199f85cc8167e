// Package wire is a network of the laboratory's own: places that are Linux
// network namespaces, each with a network of its own, and a relay between them
// that every packet crosses.
//
// The relay is a loop of this process behind a TUN device, in a namespace that
// only routes. So there is one mechanism for everything that a network does to
// packets: it delays, loses in bursts, and cuts, in one direction or in both,
// by seeded dice. (The kernels that this runs on often lack netem; and filter
// rules cannot delay.)
//
// Nothing outside the namespaces is touched, no address of the machine is
// used, and no process of another is ended. What a killed run leaves behind is
// removed by the next one, which knows it by the number of the process that
// made it.
//
// It needs Linux, root, /dev/net/tun and the program ip (iproute2); [Missing]
// says what is not there.
package wire
