// Package httpstream carries Lectern's messages over ordinary HTTP requests, for members behind
// proxies that let no WebSocket through.
//
// [NewHandler] is the accepting side: an http.Handler for any router of net/http. [Dialer] is the
// dialling side, and needs nothing but net/http either. What is on the wire is a part of
// PROTOCOL.md, section 2, complete enough to write a client from; the client in JavaScript has one.
//
//	mux.Handle("/class/", httpstream.NewHandler(hub, httpstream.Options{}))
//
// # Requests
//
// The handler looks at the last part of the path. POST open makes a connection, and takes the
// client's first messages along. GET stream is answered by what the hub sends, as Server-Sent Events,
// for as long as that lasts; GET poll by what there is, for where something on the way holds streams
// back. POST send brings what the client sends, one message a line.
//
//	curl -s --data-binary '{"type":"join","ref":1,"channel":"abc123","username":"user_one"}' http://localhost:8080/class/open
//	curl -sN -H 'Lectern-Connection: au0BzMsZHU-cGRmoOoUVCA' http://localhost:8080/class/stream
//	curl -s -H 'Lectern-Connection: au0BzMsZHU-cGRmoOoUVCA' --data-binary '{"type":"ping","ref":2}' http://localhost:8080/class/send
//
// The connection is none of TCP: it lives for as long as its client makes requests, and is given up
// ProbeAfter and GiveUp after the last one. What was sent stays until the client says that it has
// it. So a stream that is cut, an answer that is lost, a proxy that ends each request after a minute,
// and a change from one network to another cost nothing but a request, and the hub, and the other
// members, do not notice. That a client has vanished without a word, they notice later than
// over WebSocket: after 15 seconds by default. A page that goes away closes its connection.
//
// The secret of the connection, 128 random bits, is in a header of each request. Whoever has it
// is the client. EventSource of browsers, which sets no header, has it in the query, as
// ?connection=…, which is written to logs; the JavaScript client does not use it.
//
// # Limits
//
// A connection keeps at most 128 KiB, or 1,024 messages, that the client has not acknowledged,
// and one larger message alone; of a server that is a transport.MessageSharer, as a hub is one, they are
// the server's own slices, which many connections share. Write waits while that is full. What a POST
// may bring, how long a line of it may take, and how many requests may bring nothing, is bounded
// by the fields of [transport.ConnOptions]; a body that is announced to be larger than any is
// refused before it is read. Of connections for which no stream or poll has come yet there are
// 4,096 at most in a handler, and the oldest makes room.
//
// A peer that takes slowly what is written is told from one that takes nothing by what its system
// acknowledges, for streams over HTTP/1.1 without TLS on Linux, and elsewhere by whole messages: there a message
// has to arrive within Policy.WriteTimeout, which is 6.5 KB a second for one of 64 KiB.
//
// # Waiting
//
// On Linux a stream over HTTP/1.1 without TLS has no goroutine while nothing is written on it:
// the connection is taken from the http.Server, and one goroutine of the handler waits for all of
// them to hang up. What a member takes so, all in all, is in the table of memory that this writes:
//
//	cd bench && go run . run -only memory
//
// Over HTTP/2, over TLS, by polls, and elsewhere it is the goroutine of the request that waits.
//
// # The http.Server
//
// The settings are those that package websocket names, and one more:
//
//	server := &http.Server{
//		Handler:           mux,
//		ReadHeaderTimeout: 5 * time.Second,
//		MaxHeaderBytes:    16 << 10,
//		IdleTimeout:       5 * time.Second, // less than ProbeAfter: see below
//	}
//
// A client that sends nothing makes a POST every ProbeAfter. Where the connection of that is kept
// open until the next one, which IdleTimeout decides, it takes the http.Server a goroutine and its
// buffers: more than the member itself. ReadTimeout and WriteTimeout do not matter: the handler sets
// deadlines of its own. Behind a proxy that speaks HTTP/2 to browsers and HTTP/1.1 to
// the hub, browsers have as many streams as they like; over HTTP/1.1 they have six connections
// for all pages of one host, of which each member takes one, and polls are no better. So serve pages over
// HTTP/2.
//
// # Proxies
//
// Answers say that they are not to be stored, compressed or buffered (Cache-Control: no-store, no-transform;
// X-Accel-Buffering: no, which nginx obeys). A proxy has to pass on the Host header, for the sake of
// Origins, and must wait longer than ProbeAfter for an answer. A proxy that holds back streams all the same is
// noticed by the client, which polls from then on.
//
// # Several hubs
//
// A connection is at the hub that has opened it. Where there are several behind one address, the balancer
// has to send all requests of a connection to the same one: by the header Lectern-Connection, by a cookie of its own, or by
// the client's address. A hub that gets another one's is not wrong but useless: it answers 421, and the
// client opens anew and resumes.
//
// # Closing
//
// Close waits for about a second until the last event, which has the reason, is written, or fetched by
// the next poll, and for up to three as long as the client takes what is before it. Hub.Close and Shutdown wait for that, and for what
// POSTs have brought. An http.Server's Shutdown waits for polls, and for streams that its goroutines
// write: end the hub first.
package httpstream
