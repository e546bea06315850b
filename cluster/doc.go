// Package cluster is the port between hubs that serve the same channels from several
// machines (lectern.Policy.Cluster) and the engine that they do it with.
//
// An [Engine] knows nothing of channels, members or frames. It is two things:
//
//   - a [Log]: for each [Key] a sequence of groups of bytes, which is kept for a while.
//     An append names the position that it follows, and of all that name the same one
//     exactly one succeeds, wherever they come from. That is all that decides between
//     hubs: whoever does not know the last group cannot write the next one.
//   - a [Bus]: requests from hub to hub and beats to all. Each message arrives at most
//     once, late or never, and nothing may depend on it but how soon things happen.
//
// [NewLocal] is the engine of one process, for tests and for what is built on engines.
// The package cluster/clustertest holds engines against this contract, and has a
// network with faults for tests in virtual time. The engine for real machines is a
// module of its own, cluster/natscluster.
//
// # Slices
//
// What is given to an engine is copied before the call returns: the caller may use it
// again. What an engine hands out (a group's Body, a request, a reply, a beat) may be
// kept for ever and is never written to, as others may have the same slice.
//
// # Callbacks
//
// The functions given to Tail, Serve and Beats are called by goroutines of the engine:
// those of one registration one at a time and in order, those of different ones at
// once. They may call every method of the engine, but neither Close nor the stop
// function of their own registration, which wait for them. They must return soon:
// what comes while one of them hangs may be lost for this registration and delayed
// for others. An engine calls none of them from within a method that the user calls,
// so they may take locks under which the user calls methods that do not wait: Tail, Serve,
// Beats, Announce, Beat, State, Keeps, and the beginning of Ask's replies.
//
// # Contexts
//
// A call returns soon after its context has ended, with an error for which errors.Is
// tells the context's. What that leaves open is said at each method. Every method may
// be called by any number of goroutines at once.
package cluster
