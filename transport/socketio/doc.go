// Package socketio lets stock socket.io clients take part in channels, from their side as they
// are: with WebSocket, with HTTP long-polling, and with the change from the second to the first
// that they make by themselves. Clients 3.x and 4.x speak Engine.IO 4, which is always there;
// those of 1.x and 2.x speak Engine.IO 3, which [Options].EIO3 lets in.
//
//	mux.Handle("/socket.io/", socketio.NewHandler(hub, socketio.Options{}))
//
//	const socket = io({auth: {channel: 'abc123', username: 'user_one'}})
//	socket.on('message', (data, {from, seq}) => …)
//	socket.emit('message', {answer: 42}, ({ok, error}) => …)
//
// One socket is one connection of the hub, and every rule of PROTOCOL.md holds for it: a slave's
// messages go to its master alone, a master's to one or to all. There is no server side in the
// manner of socket.io: what a socket may do, the hub's Policy says.
//
// The script of the client is not served: take it from npm's socket.io-client, or from a CDN.
//
// # Connecting
//
// A client says who it is by auth, an object or a function, and on every version by the query
// too, where only strings are possible:
//
//	channel, username   where to enter, and under which name; without a channel the socket is
//	                    connected, and enters by an event. Without a name it is guest-…
//	role                'master' creates the channel; otherwise the socket joins it
//	token               for Policy.Authorize
//	master              the master that a join expects
//	master_timeout_ms   as in create
//	resume, last        the secret of a membership from before, and the last seq
//	session             see below
//
// and by any other field that PROTOCOL.md gives create, join and resume: attributes, door, wait,
// roster, instance, epoch. The client is connected once it is in. Where it is refused, connect_error has
// the code as its message, and {code, message, channel} as its data; a stock client does not try
// again by itself then. (At 2.x that is the event error, with a string.)
//
// A socket without a channel is disconnected after Policy.HandshakeTimeout, which is 10 s by
// default, and with its last one where it has not left that by itself.
//
// # What a client emits
//
// Arguments in brackets can be left out. The options are the last argument: any field of the
// frame, and first of all channel, which is the current one otherwise: the one that the socket has
// asked to enter last, unless that was refused, or waits. The acknowledgement is one object, so
// that emitWithAck resolves with it: {ok: true, …} with what the frame's answer has, or
// {ok: false, error, message} with a code of PROTOCOL.md, section 8.
// Who asks for no acknowledgement is told a refusal by the event refused.
//
//	event              arguments                frame, and what the acknowledgement has
//	create             channel[, options]       create; as the event created
//	channel, join      channel[, options]       join; as the event joined; with wait, and at a door, once it is in
//	room               channel[, options]       join with from: the current channel is left once the socket is in the other
//	resume             {channel, username, resume, last, epoch}   resume
//	leave              [channel]                leave
//	message            data[, options]          send: to, topic, expires_ms; seq, slaves. It is socket.send too
//	request            data[, options]          send with request; the answer: {ok, from, data}, or {ok: false, error}:
//	                                            gone as soon as who was asked has left, a code of who says no
//	gather             data[, options]          a master's request to all: timeout in ms, 30,000 where none is given;
//	                                            answers: [{from, data}, {from, error: 'gone' or 'timeout'}, …],
//	                                            with base64 in the place of data where that is bytes
//	reply              seq, data[, options]     send with reply, where the callback of a request is not at hand
//	decline            seq, {code, message}[, options]   the same with failed: the answer is no. A master says to whom by to
//	withdraw           seq[, options]           withdraw: no more answers are awaited
//	awaiting           seq[, options]           awaiting; members
//	set                key[, value[, options]]  set; without a value the attribute is deleted
//	refresh            token[, options]         refresh
//	confirm            [seq][, options]         ping with seen, and with epoch after a hand-over
//	status             [channel]                status; exists, master, timeout_ms
//	members            [channel, or options]    members: limit, after; members, more
//	away, back         [channel]                away, back
//	kick               username[, options]      kick: reason, ban
//	mute, unmute       [username][, options]    mute; all slaves without a name
//	door               word[, options]          door: 'open', 'knock' or 'locked'
//	admit              knock[, options]         admit
//	deny               knock[, options]         deny: reason
//	handover           username[, options]      hand_over: stay
//
// data is a string, which is text; any other JSON value, which passes as it is; or one binary
// value (Buffer, ArrayBuffer, Blob), which is bytes. Binary data inside of an object is refused,
// since no payload can hold it. Other names are refused as unsupported: other members have no
// names of events; send the name as topic, or in the data. connect is no event at any client
// since 1.0: use auth.
//
// socket.disconnect() leaves all channels. A page that is closed, or a connection that is lost, is
// away until the timeouts of Policy.
//
// # What a client receives
//
//	event        arguments
//	message      data, {from, seq, channel, private, reply, topic, expires_ms}, offset
//	request      data, {from, seq, channel, …}, callback: what it is called with is the answer
//	created      as PROTOCOL.md has it: {channel, username, resume, epoch, master_timeout_ms, members, …}
//	joined       {channel, username, resume, epoch, master: {username, state}, master_timeout_ms, …}
//	presence     {channel, username, role, state, timeout_ms, reason, number, joined, …}
//	members      {channel, members, more, online, away, …}: a list that takes the place of the changes
//	attribute    key, value, {channel, from, seq, deleted}, offset
//	reset        {channel, from, seq}: the attributes that were known are over
//	waiting      {channel, for, master, timeout_ms}: a join waits, at a door or for the channel
//	knock        {channel, username, knock, on, attributes}
//	muted        {channel, on}
//	closed       {channel, code, reason}; the socket is disconnected where that was its last channel
//	left         {channel}
//	gap          {channel, missed, seq}
//	asked        {channel}
//	awaiting     {channel, request, code, members}
//	shutdown     {timeout_ms}: the hub is about to stop; the client comes back by itself
//	refused      {code, message, channel}: of an emit without an acknowledgement
//
// After a hand-over the new master gets created, and a former one that stays gets joined. What
// either sends is refused as role_changed until it shows that it knows of it:
//
//	socket.on('created', ({channel, epoch}) => socket.emit('confirm', {channel, epoch}))
//
// # Coming back
//
// Clients from 4.6 on recover by themselves, by what socket.io calls connection state recovery:
// after a loss of the connection they get what they have missed, once and in order, and
// socket.recovered is true. Options.MaxDisconnection bounds for how long; the hub's timeouts do so
// too. The last argument of each message, the offset, is for that. An event with a callback has
// none, so a request that was delivered and not answered is delivered again.
//
// Other clients, and pages that are loaded again, come back by a session: a random word of at
// least 16 characters that the page keeps, for instance in sessionStorage, and gives as auth or
// query. What was on its way to the lost connection is delivered once at most then.
//
// A pid, a session and a secret are to be kept like passwords. The id of a session that polls is
// in the query of its requests, and so in the logs of servers and proxies on the way: who knows
// it can speak for the session while that polls.
//
// A client is disconnected for good, by an event closed and socket.io's own disconnection, when
// coming back makes no sense: its last channel has ended, another connection has taken it over,
// it does not keep to the protocol, or it had no channel for too long. In any other case its
// connection is only closed, and it comes back by itself.
//
// # Long-polling
//
// It is for who is behind a proxy that lets no WebSocket through. A message costs a request, and
// a member that polls takes the two goroutines and the buffers of an http.Server's connection.
// Behind several hubs a balancer has to keep a session's requests together (sticky sessions).
// One answer is ready for a client that polls; what is behind that waits in its queue, whose
// bound (Policy.Outbox) is so one for what comes in one round trip. The http.Server's ReadTimeout
// and WriteTimeout do not matter to polls that wait. Requests of pages of other origins get the
// headers of CORS where Options.Origins has them.
//
// Policy.Authorize gets the request that has begun the session; see [Options].Context for other
// values.
//
// # Limits
//
// An event has 6 arguments and 10 attachments at most, an acknowledgement a number up to 2^52.
// Packets are held to the hub's limit for frames, attachments of an event together. What a client
// sends counts as frames against the hub's rates, whatever it is; packets of the engine that
// nobody has asked for are bounded by ConnOptions.ControlFramesPerSecond. What a gather brings
// together is 1 MiB at most. There is the main namespace alone.
package socketio
