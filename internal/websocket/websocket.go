// Package websocket is WebSocket (RFC 6455) as the adapters over it have it in common: the
// accepting handshake, the framing, connections that have no goroutine while they are idle,
// and their end. transport/websocket carries one message of Lectern in each message of
// WebSocket; transport/socketio carries packets.
//
// Its errors begin with "websocket:", whichever package a connection came by.
package websocket

import "time"

// closeWait bounds each of the two waits of a Close: for the write in progress
// and the close frame, and for the peer to close too.
const closeWait = time.Second

// pongWait bounds the writing of an answer to a ping. The reading waits for it
// where no message is being written, and a peer that has not taken it by then
// cannot be written to any more.
const pongWait = 5 * time.Second
