// Package lectern provides star-shaped channels: one master, many slaves,
// nothing sideways. It is for live sessions in which one party is in charge and
// everybody else is there because of that party: a class, a quiz, a game host, a
// dispatcher, a fleet of machines, a support desk.
//
// # The seven rules
//
// A hub enforces them on every connection, whoever wrote the client:
//
//  1. Only a master creates a channel, and its creator is its master.
//  2. A slave joins only a channel that its master has created before.
//  3. Slaves leave, and their connections are closed, when the master is down or
//     away for longer than X, the master timeout.
//  4. A slave can always know whether its master is connected.
//  5. A slave sends only to its master.
//  6. A master sends to one slave or to all slaves of its channel.
//  7. A channel has exactly one master. Only the holder of its resume secret
//     returns in its place.
//
// # A hub and its members
//
// A [Hub] holds the channels. A service makes one with [NewHub] and gives it to
// the adapters through which peers connect: websocket.NewHandler for an HTTP
// server, netconn.Serve for a net.Listener. In the hub's own process [Hub.Create]
// and [Hub.Join] make members without any network.
//
// Elsewhere a [Client] is one connection with any number of memberships.
// [Client.Create] returns a [Master], [Client.Join] a [Slave]; these handles are
// the same as the hub's own. A Client over another transport takes any
// transport.Dialer; a Hub is one itself.
//
// Messages are pulled, not called back with: [Slave.Receive] and [Slave.Events],
// [Master.Events]. A handle's end is its Done and Err.
//
// # What is guaranteed
//
//   - Order: what a master sends arrives at each slave in the order in which it
//     was sent, whether to one or to all. What one slave sends arrives at the
//     master in order. Changes of slaves are in the master's same stream.
//   - Acceptance: a send returns nil when the hub has numbered and queued the
//     message. On any other error than one that matches [ErrSendUnknown], nobody
//     gets it.
//   - Resume: a member whose connection is lost comes back by itself, gets what
//     it has missed, and its own unanswered sends are sent again. As long as the
//     channel still keeps what was missed ([Policy].Replay), everything arrives
//     once and in order; where it does not, the loss is told by a [Gap] in its
//     place.
//   - Time: a channel ends at X after its master became away, never before, and
//     a resume that reaches the hub before X wins. At the same instant, X wins.
//     A slave that cannot reach the hub ends by itself after X.
//   - Isolation: a member that sends malformed frames, reads slowly or vanishes
//     costs no other member anything.
//
// # What is not
//
//   - A hub keeps its state in memory. When its process ends, so do its channels.
//   - Messages of different slaves are in the order in which the hub got them,
//     which need not be the order in which they were sent.
//   - A message that a slave could not take in time, beyond Replay and its
//     handle's inbox, is lost, though the master's Send returned nil; the slave
//     is told by a Gap.
//   - A create or join whose answer is lost with the connection fails at the
//     client while the hub has carried it out; the name stays taken until the
//     hub's timeout.
//
// # Concurrency
//
// All types are safe for concurrent use, and no code of the user runs under a
// lock of the library: Authorize, the Logger and loops over Events may call any
// method. Close and Shutdown return when the goroutines that belong to what they
// end are gone, so that tests under testing/synctest and goleak pass. They must
// not be called from Authorize or the Logger.
//
// # Testing a service
//
// Over memory everything works as over a network, in virtual time if the test
// runs in a testing/synctest bubble: see the package's example of a test and
// transport/memory, whose connections can be cut and silenced.
package lectern
