// Package cluster is what hubs that serve the same channels from several machines are built
// of: the form of what they write to a log of package cluster of this module, and the ways to
// write, read and follow it. It knows nothing of channels' rules, frames and connections.
//
// A channel is a log of groups under one key. One hub at a time, its owner, writes them, and has
// become the owner by a group that says so, a claim. Who is not the owner any more learns it
// when it appends: its group does not follow the last one, and is not taken.
package cluster
