// Package sim plays whole histories of a Fairlead cluster in one goroutine's
// time, from a seed, and holds the shipped pure cores to their promises after
// every event.
//
// A history is a fleet, a few nodes, a store, a database pair, people, and
// things that go wrong: links that are cut, slow or lossy, one way or both;
// nodes that crash and keep only their disk, or freeze and thaw; vantage points
// that lie or fall silent; regions without power; agents that did what they
// were told and answered with an error, or did nothing; leaders that are
// deposed and do not know it; decisions and epochs that come late and out of
// order. What judges, steers, answers and runs is what is shipped: the
// Detector, the Judgement with its Quorum, Decide, Compile and the Snapshot's
// wire answers, the feed's Inbox, the store's rules for overrides, the
// Execution, the shipped runbooks and their steps. Only loops, network, disks
// and the database are played.
//
// The surprising choice: an engine and the steps that it runs wait in the
// middle of a function, so they are coroutines (iter.Pull), which hand over to
// each other and never run two at once. The order of everything is the one
// event heap's. No clock is read and no dice but the seed's are thrown, so a
// seed is a history: [Play] gives the same one each time, on each machine.
//
// # What callers may rely on
//
// [Shipped] holds the cores as function values. A test replaces one by a mutant
// and must see a promise broken: a simulator that does not notice a broken
// core has proved nothing of a sound one.
package sim
