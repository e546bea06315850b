// Package websocket carries Lectern's messages over WebSocket (RFC 6455), for
// browsers and for everything else that passes through HTTP.
//
// [NewHandler] is the accepting side: an http.Handler for any router of
// net/http. [Dialer] is the dialling side. Both speak HTTP/1.1, offer or accept
// the subprotocol [Subprotocol], and never compress, so a message takes no more
// memory than it took on the wire.
//
// # Messages
//
// One message of Lectern is one WebSocket message. One that begins with '{' is
// sent as a text message, as the tools of browsers show it and as a browser's
// script receives it as a string; any other is sent as a binary message, an
// empty one too. Text must be UTF-8 on WebSocket, so what begins with '{' and is
// not UTF-8 goes as binary. Both types are accepted from the peer; a text
// message that is not UTF-8 ends the connection.
//
// # The first message
//
// A client's first message can come along with its handshake: it has joined a round
// trip earlier so, and the server has less to do, see docs/PERFORMANCE.md. A hub's client
// does that by itself, through [Dialer.DialFirst], unless the message carries the
// secret of a membership, or a token for the service: a message with a token goes along
// only where the Dialer has TokenInHandshake. PlainHandshake keeps it from all of it. A
// handler takes the message out of the request's header before the server is given the
// request. Before that it is there for any proxy and middleware to see, and to log.
//
// A proxy that ends WebSocket itself may pass the message on and choose another
// subprotocol towards the client, which sends the message again then: a hub takes it for a
// repetition, and so does the client the second answer. And where a proxy loses what
// comes right behind the answer to the handshake, a client that has had no answer for 5
// seconds connects anew, and sends no message along any more.
//
// # Liveness
//
// A peer that was silent for a while is sent a WebSocket ping, which browsers
// and every WebSocket library answer by themselves. Whatever arrives is a sign
// of life; over TLS, a record is one when it is complete.
//
// # Waiting
//
// On Linux, connections over TCP or Unix sockets without TLS that are served by a
// [transport.Acceptor], as a hub is one, have no goroutine while nothing arrives:
// one goroutine of the handler waits for all of them. What a joined member takes
// so, all in all, is in the first table of memory that this writes:
//
//	cd bench && go run . run -only memory
//
// Elsewhere each has a goroutine that waits, which is 2.8 KB more, and behaves
// alike. Where the http.Server has a BaseContext or a ConnContext, that is the
// goroutine of the request, which keeps far more. And where the server reads the
// values of contexts, as a hub with a Policy.Authorize does, that goroutine stays
// beside until the connection has a membership; see [NewHandler].
//
// # Limits
//
// A message that has begun to arrive must be complete within MessageTimeout,
// whatever else comes meanwhile, and a peer may send only so many pings and
// pongs, ControlFramesPerSecond; see [transport.ConnOptions]. How many messages a
// peer sends is for the server to judge.
//
// # The http.Server
//
// A request is read, and refused where it is none for this package, before
// anything here can bound it. That is for the http.Server, by settings which
// have no bound where they are left at zero:
//
//	server := &http.Server{
//		Handler:           mux,
//		ReadHeaderTimeout: 5 * time.Second, // for a request, and before it the handshake of TLS
//		MaxHeaderBytes:    16 << 10,        // larger requests are answered by 431
//		IdleTimeout:       time.Minute,     // between two requests, as after one that was refused
//	}
//
// MaxHeaderBytes is 1 MiB by default, of which every client can make the server
// hold so much. When the process has run out of file descriptors, the
// http.Server goes on accepting as soon as there are some. ReadTimeout and
// WriteTimeout do not matter to connections once they are WebSocket's.
//
// # Closing
//
// A reason's number and text are those of the WebSocket close frame. Close lets
// the write in progress finish for at most a second, sends the close frame, ends
// the sending direction, and discards what still comes for at most a second, or
// until the peer has closed too.
package websocket

// Subprotocol is the WebSocket subprotocol of Lectern's messages. A [Dialer]
// offers it; a handler selects it where it is offered, and does not demand it.
const Subprotocol = "lectern.v1"

// FirstSubprotocol is what a handler selects in the place of [Subprotocol] where it
// has taken the client's first message, which has come along with the handshake.
// See PROTOCOL.md, section 2.
const FirstSubprotocol = Subprotocol + ".first"
