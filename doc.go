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
//     away for longer than X, the master timeout. A connection that carries another
//     membership stays.
//  4. A slave can always know whether its master is connected. Connected is who
//     answers, which for a page is its browser: see "What is not".
//  5. A slave sends only to its master.
//  6. A master sends to one slave or to all slaves of its channel. Beside it only the
//     service speaks to them, see "The service".
//  7. A channel has exactly one master. Only the holder of its resume secret
//     returns in its place, and of two clients that have the secret only the one that
//     came last.
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
// Either side can ask and wait for the answer: [Slave.Request], [Master.Request],
// and [Master.Gather], which asks everybody and yields the answers as they come.
// A Gather can tell whom it asks, and ask who joins meanwhile ([WithAsked], [WithNewcomers]).
// Who is asked gets a [Message] whose RequestID is not zero, and answers by Reply, or says no
// by Decline: then the request fails with a [DeclinedError]. What was asked and not answered yet
// is in OpenRequests, also after the program that was asked has been started again.
//
// A message can say what it is about ([WithTopic]), and for how long it is worth something
// ([WithExpiry]): a command that comes too late can be worse than none.
//
// Members have attributes, the last value by key: the page on the board, a raised hand, who
// types. [Master.SetAttribute] is seen by all slaves, those too that join later;
// [Slave.SetAttribute] by the master alone. Each change is an [Attribute] among the events, and
// [Slave.MasterAttributes] and [Master.AttributesOf] have them as they are.
//
// A master can have one slave be quiet, or all of them: [Master.Mute], [Master.MuteAll]. What these
// send of their own accord fails with [ErrMuted] then; what they are asked they can answer, and
// raise a hand by an attribute. Each change is a [Muted] among a slave's events.
//
// A channel has a door. With [DoorKnock], by [WithDoor] or [Master.SetDoor], who joins waits until the
// master lets it in ([Knock], [Master.Admit], [Master.Deny]), with [DoorLocked] nobody comes in. A
// join can wait for a channel that its master has not created yet ([WithWait]), and then comes
// to its door as any other.
//
// A master can hand its channel to one of its slaves, and go on as a slave or leave: [Master.HandOver].
// The slave's handle ends with a [Promotion], which has a master's. The service can do the same,
// also while the master is away: [Channel.SetMaster]. All others stay as they are, and what was on its way
// to or from either of the two reaches nobody for whom it was not meant.
//
// A master knows who is there: [Master.Members], and a [Presence] among its events for each change. A list of more
// than 1,024 slaves comes in pages, so that it fits through any queue. Whoever has very many and does not want to hear
// of each has its client made with [ClientOptions].CountSlaves: it is told [Counts], and [Master.AllMembers] asks who is there.
//
// # What is guaranteed
//
//   - Order: what a master sends arrives at each slave in the order in which it
//     was sent, whether to one or to all. What one slave sends arrives at the
//     master in order. Changes of slaves are in the master's same stream: who keeps
//     a list from it has the right one at any time. Of a slave's changes that a slow
//     master has not taken, it is told what they come to.
//   - Acceptance: a send returns nil when the hub has numbered and queued the
//     message. On any other error than one that matches [ErrSendUnknown], nobody
//     gets it.
//   - Resume: a member whose connection is lost comes back by itself, gets what
//     it has missed, and its own unanswered sends are sent again. As long as the
//     channel still keeps what was missed ([Policy].Replay), everything arrives
//     once and in order; where it does not, the loss is told by a [Gap] in its
//     place.
//   - Attributes: who joins, comes back or has had a gap has exactly the attributes that
//     there are, and is told what has changed, in one order with the messages. Of a key that
//     changes while somebody does not keep up, the newest value arrives. No change costs a message its place: it is
//     no reason for a Gap, ErrBusy or the end of a connection that is too slow.
//   - What is accepted for a master arrives, where the master comes back in time: this
//     library's masters tell the hub what has arrived, and what was not told is kept.
//     Before anything would have to be dropped, sends of slaves fail with ErrBusy. A
//     master of another make that tells nothing can lose what the network held when its
//     connection was lost. Events beyond the inbox of its handle a master loses, as
//     anybody does, with a [Gap]; and so what waits there when it goes on by its [Ticket],
//     beyond Replay.
//   - One holder: of several programs with the same [Ticket], the first one that the hub
//     hears from after its resume has the membership. The others end with ErrReplaced, and
//     so does one that comes back late; what it had to say is not taken for what another
//     has said. A ticket that is read later, from the one that has the membership, moves it.
//   - The door: who waits gets nothing but the state of its master and its answer, and is no
//     member. Who is let in is who has knocked, also where the name was given up and
//     taken again meanwhile. Nobody who has waited for a channel is in before its door is asked.
//   - Another program, or the next version of this one, goes on with the seats of a client
//     that is ended by [Client.Detach].
//   - A create, join or switch whose answer is lost with the connection is repeated by
//     the client, and gets what the first one has made.
//   - Giving up: a create, join or switch whose context ends is undone, and so is a leave
//     finished that the hub could not be told in time. Whatever enters the same channel with
//     the same client behind it waits for that, for as long as its own context lasts.
//   - Answers: each one who is asked answers at most once, and who answers what is
//     not awaited is told so. A request ends with the answer, with its context,
//     or as soon as the one who was asked is gone.
//   - Expiry: a message that expires is never handed over after its end, which is put off only by
//     what it takes on its way: not from a queue, by a replay, by a hub that goes on from
//     another one, or from the inbox of a handle. Who would have got it is told a [Gap] in its
//     place, of exactly as many as have expired, masters too. A request ends with its message.
//   - Another process: what a hub has at [Hub.Shutdown] is in [Hub.Export], and a hub that
//     was given that by [Hub.Restore] goes on from there. To its members it was a pause: what
//     was accepted arrives once and in order, requests are answered, nobody is let go but by
//     their time, which goes on by the clock. Package hubfile keeps it in a file.
//   - Time: a channel ends at X after its master became away, never before, and
//     a resume that reaches the hub before X wins. At the same instant, X wins.
//     A slave that cannot reach the hub ends by itself after X.
//   - Isolation: a member that sends malformed frames, reads slowly or vanishes
//     costs no other member anything.
//
// # Who may be a member
//
// [Policy].Authorize decides who may create and join, and under which name; it sees what
// the adapter knows of the peer, and a token that the client gives ([WithToken],
// [ClientOptions].Token). What it grants can end at an instant (Identity.Expires): a slave
// is out then, a master is away until it comes back with a fresh token, and a Refresh
// moves the instant. With [Policy].Reauthorize it is asked at resumes too, so that a
// user whom the service does not know any more is not let back. Identity.TakeOver gives a
// user its seat back from a device that is lost.
//
// # The service
//
// The program that has the hub sees what happens in all its channels: [Hub.Events] yields every
// channel and member as they are, and from then on each change, with what Authorize has said of
// the user (Identity.Data) and the connection. A list that is kept from it is exact. It holds
// nobody up: a loop that gets too far behind is told so, and begins anew.
//
// It can speak in a channel itself, by [Channel.Broadcast] and [Channel.Send]: to its slaves and
// to its master, in one order with what they get from each other, and while the master is away
// too. Such a message has an empty From, which is nobody else's. It is what slaves get beside
// their master's messages (rules 5 and 6), and nothing else is.
//
// What Authorize says at a create can give the channel another MasterTimeout and MaxSlaves than
// the Policy's (Identity.Channel). [Policy].AuthorizeMessage is asked about each message before
// it is accepted, and can refuse it, in words of its own. It holds up the sender's connection
// alone.
//
// # Slow members
//
// Each connection has one queue, bounded by [Policy].Outbox. Where a slave does
// not take its messages in time, [Policy].Slow says what happens: its connection
// is closed and it can come back and replay (SlowDisconnect), messages are
// dropped and a [Gap] tells of it (SlowDropOldest, SlowDropNewest), or the master
// is held back for a while (SlowHold). One that takes what it is sent slowly, but at
// least 1,000 bytes a second, is not closed for that, however long it takes: see
// [Policy].WriteTimeout. No other slave notices, except that with
// SlowHold all wait for the master. Where the master is the slow one, its slaves'
// sends fail with ErrBusy, and nothing is lost that was accepted. Its slaves' coming
// and going is gathered then, and told as soon as it has taken what waits; until
// then the sends of slaves that it does not know of fail with ErrBusy too. That is told
// by a list; while one of more than 1,024 slaves comes, page by page, a question to all fails with ErrBusy.
//
// # Bounds
//
// Everything that a peer can make grow is bounded by a field of [Policy], zero
// being a default and never "no bound". What a hub can be made to hold is at most
// the sum of
//
//   - for each connection, up to MaxConnections: twice Outbox.Bytes (what waits
//     and what is being written) and 128 bytes for each message of it, one frame of
//     twice MaxMessageBytes and 4 KiB, and
//     about 32 KiB for goroutines, the transport's buffers and the session; for
//     TLS 32 KiB more; with Authorize over WebSocket three times the headers of its
//     request, which http.Server.MaxHeaderBytes bounds. Before its first membership a
//     connection has nothing in its queue to speak of, and MaxHandshakeBytes in place of
//     the frame;
//   - for each channel, up to MaxChannels: for each direction four times
//     Replay.Bytes (the payload and both forms of its frames; eight times where
//     all of it is text that the text form must escape), 2 KiB for each message that is
//     kept (Replay.Messages of them, or as many as Replay.Bytes has times 64), and
//     64 KiB. What slaves have
//     sent and their master has not confirmed may be Outbox.Bytes more;
//   - for each slave, up to MaxSlaves in a channel, or what Identity.Channel says: 4 KiB, with
//     its entry in a list that waits for its master; and 200 bytes for each key that it has
//     set, of at most 16;
//   - for each name that is banned, and each that is muted or not as an exception, up to MaxSlaves of
//     either in a channel: 256 bytes;
//   - for the attributes of each channel: three times the 256 KiB that a master's may have, 4 MiB for
//     those of all slaves, and twice as much in the queue of a master that does not take
//     them; in the queue of each slave two places for each of the master's keys, of 128 at most, with
//     200 bytes each. Values that were replaced stay in memory until who was being written to has taken
//     them, for WriteTimeout at the most.
//
// Who waits is at most 256 at a door, as many for one channel that does not exist, and 10,000 at a hub, each
// with 8 KiB of attributes and what the service has said of it; WaitTimeout bounds for how long.
//
// What a member has missed is queued a part at a time, of 64 KiB or one message, and one
// part on a connection, however many memberships it resumes. A member that has the same
// messages sent again gets as many bytes as Replay keeps in five seconds, and four times
// as many at once; then it is refused with ErrRateLimited, by whichever way it comes back.
//
// A message to all is in memory once, however many queues it waits in, so that
// the queues of a channel's slaves together hold no more payload than one of them
// and Replay. One that expires is once more in memory for each part of a replay that has it. The kernel's buffers come on top of it: the adapters bound those
// for sending.
//
// What a connection can make others do is bounded by its rates: FrameRate, of these
// SlaveMessageRate for what it sends as a slave, and MembershipRate for its coming and
// going. Changes of a slave's attributes are 20 a second, and 40 at once.
//
// # What is not
//
//   - A browser answers for its pages. A page that hangs counts as online for
//     as long as it hangs: without end, as far as was measured (15 minutes,
//     Chromium 156). One that is put away or frozen does not, by the
//     JavaScript client.
//   - A hub keeps its state in memory. When its process crashes, its channels are gone, and
//     all members end with [ErrHubLost]: nothing of what a hub has since it was restored is on
//     a disk. A state that was restored is not restored again.
//   - Messages of different slaves are in the order in which the hub got them,
//     which need not be the order in which they were sent.
//   - A message that a slave could not take in time, beyond Replay and its
//     handle's inbox, is lost, though the master's Send returned nil; the slave
//     is told by a Gap.
//   - Who waits at a door waits on a connection. One that is lost takes the knock with it: the
//     library's clients knock again on the next one, and stand at the end.
//   - An answer that comes after its request was given up, or to the program that
//     held the membership before a Ticket was used, is dropped.
//   - A create or join that its caller gives up while its answer is lost with the
//     connection, and the hub cannot be reached again at once, leaves a membership behind,
//     until the hub's timeout. The same client
//     can have it by the same call, for HandshakeTimeout; for others its name is taken.
//
// # Concurrency
//
// All types are safe for concurrent use, and no code of the user runs under a
// lock of the library: Authorize, AuthorizeMessage and loops over Events may call any method. The
// Logger and the Observer are called on the way of what a hub delivers, and must
// not wait for a member of it or for its delivery. Close and Shutdown return when the goroutines that belong to what they
// end are gone, so that tests under testing/synctest and goleak pass. They must
// not be called from Authorize, AuthorizeMessage, the Logger or the Observer.
//
// # Operating a hub
//
// [Hub.Channels] and [Channel.Snapshot] tell who is there, how they are, and what
// waits for them, and [Hub.Events] what changes; [Channel.Close] ends a channel, [Channel.Kick] one membership, and
// [Channel.Ban] keeps the name out as well. [Policy].Logger writes down what happens
// to channels and memberships, and [Policy].Observer counts it: the module
// metrics/prometheus hangs client_golang on it. [Hub.Shutdown] ends a hub in order: clients
// move to the one that takes its place, and what it refuses meanwhile they do there.
//
// # Several hubs
//
// With [Policy].Cluster hubs on several machines have their channels together: a member can be connected
// to any of them, and a channel does not end with a machine. What they share is an engine: on NATS
// JetStream, the module cluster/natscluster, or for tests in one process, cluster.NewLocal. Clients notice
// nothing of it but what is said here, and any load balancer will do; [Hub.Ready] is for its checks.
//
// Each channel has an owner, the hub where its master is. It decides for all members, and writes down in
// the engine's log what it has decided before anybody is told: each entry names the one that it follows, so
// of two hubs that both take themselves for the owner only one can write. The other hubs with members follow
// that log, and ask the owner for what their members want. When a master comes back at another
// hub, that one becomes the owner, by one entry. Where the owner is not heard any more, another hub with members
// asks in the log whether it still writes, and becomes the owner when no answer comes.
//
// It is not finished, and not for production yet: of 5,500 rounds in which the network between hubs has faults, and hubs are
// frozen, cut off and killed, none has ended with a promise broken, but of others before them one has that was not explained; of 1,200
// in which the engine loses what it has committed three have (docs/TESTING.md). What is meant to
// hold is that order, each message once, gaps, requests, bans and rule 7 are as on one hub, also when any hub dies, for
// as long as the engine keeps what it has committed. What is weaker than on one hub:
//
//   - Rule 4: what is known of a master or a slave at another hub can be 3 s old, where that hub has died.
//   - Rule 3: where the owner's hub has died, or was shut down while the master was away, X begins anew when another
//     hub has become the owner. Where it has died, a channel ends between X and X + 4 s after its master was there last.
//   - A channel of which nobody is at a hub that lives, when the hub of its master dies, is noticed when somebody asks
//     for it: X begins then. Its name is free after that.
//   - Who is cut off from the owner with its hub when a channel ends is told the end, and may have missed
//     what was sent before.
//   - What was under way at a hub that was cut off can come late: a name may be that of a member that is away, though
//     nobody has it, until SlaveTimeout, or until the client that has left joins again.
//   - What is asked for in the instant in which a channel of another hub ends can have that end as its only answer, and who
//     enters the next one of its name right behind it be told busy. Whom another connection has replaced may lose its own
//     without a word, and is told when it comes back.
//   - While the engine cannot commit, nothing is decided: members wait, and nobody is told anything. Of NATS
//     with three nodes that is some seconds where one of them dies.
//   - Where the room that the engine has for a channel, and for others with it, is taken by four fifths, messages and changes
//     of attributes are refused with ErrBusy, so that members can come and go, until what is old has gone. From half on they are in a
//     channel that takes a quarter of the room itself, as far as its owner has written that or has read it when it took the channel over.
//   - Where the engine loses what it has committed, such as by a loss of power at most of its machines, what is lost may
//     have been told to members. They stay in; numbers go on well above those that were lost, a member that is known to miss
//     something is told a [Gap], and requests whose answer may be lost end. Also where an owner has died without a word, numbers go
//     on 1,024 above the last one, since the next owner cannot know.
//   - Whatever a member is told comes later by one entry in the log: on NATS about a third of a millisecond, and for
//     members at other hubs than the owner's by a request more.
//   - [Hub.Channels], [Hub.Events], the Observer and the Logger tell of the channels that the hub owns. A channel that
//     goes to another hub is an EventMoved here, and an EventCreated there.
//     What the Observer is told of the cluster is of what this hub does there: appends to the log, doubts, takeovers by cause.
//     [Hub.Cluster] knows the channels of all, and [Hub.Channel] finds any of them.
//   - A MemberSnapshot has what waits to be written of members at the owner's hub alone, and a HubEvent their
//     connection.
//   - Bounds are each hub's: MaxChannels counts the channels of other hubs of which it has members too, and of those who wait
//     for one channel to be created there may be 256 at each hub.
//   - SlowHold holds a master back for the slaves at its own hub. A slave at another hub is told busy where its
//     master has no room.
//   - Authorize and AuthorizeMessage are called at the hub of the connection that asks.
//   - [Hub.Export] and [Hub.Restore] are for a hub that is alone.
//
// # Testing a service
//
// Over memory everything works as over a network, in virtual time if the test
// runs in a testing/synctest bubble: see "A test of your own" in the README, and
// transport/memory, whose connections can be cut and silenced.
package lectern
