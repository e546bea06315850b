// Package servers has the servers that the bench measures, one to a file. Each
// is small, and set up as its authors advise.
//
// All do the same work: one connection is the master, the others are members.
// The master sends to all members or to one, and what a member sends goes to the
// master. Those without rules of their own for that follow the convention of
// this package: the target of the HTTP request says who connects (MasterTarget,
// MemberTarget), and the first byte of a master's message says to whom it goes
// (ToAll; ToOne, with four bytes for the member's number behind it). The message
// is passed on as it is. A member that asks to join sends Join, and is answered the
// same. The members that are there are told by Stats.
package servers

import (
	"encoding/binary"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// The targets of handshakes. A member's ends with its number.
const (
	MasterTarget = "/master"
	MemberTarget = "/member/"
)

// The first bytes of a master's messages.
const (
	ToAll byte = 'a'
	ToOne byte = 'o'
)

// Join is the whole of a member's message by which it joins, where that is asked for.
const Join = "j"

// A Server is listening already.
type Server interface {
	Addr() net.Addr
	// Members is how many have joined, or -1 where clients are told so.
	Members() int
	Close() error
}

// Go are the servers in Go, by their names.
var Go = map[string]func() (Server, error){
	"one write":       newOneWrite,
	"batched":         newBatched,
	"gorilla loop":    newGorillaLoop,
	"gorilla join":    newGorillaLoop,
	"gorilla chat":    newGorillaChat,
	"melody":          newMelody,
	"centrifuge":      newCentrifuge,
	"gws":             newGWS,
	"coder/websocket": newCoder,
	"lectern":         newLectern,
	"lectern apart":   newLectern,
	"lectern text":    newLectern,
	"lectern netconn": newLecternNetconn,
	"lectern wrapped": newLecternWrapped,

	"lectern socketio":   newLecternSocketIO,
	"lectern httpstream": newLecternHTTPStream,
}

// role is who asks to connect: the number of a member, or -1 for the master.
func role(target string) int {
	number, found := strings.CutPrefix(target, MemberTarget)
	if !found {
		return -1
	}
	n, _ := strconv.Atoi(number)
	return n
}

// recipient is the number in a message to one.
func recipient(message []byte) int { return int(binary.BigEndian.Uint32(message[1:])) }

// listen takes a free port.
func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// httpServer serves a handler, and counts members. It is what the servers above
// net/http have in common.
type httpServer struct {
	listener net.Listener
	server   *http.Server
	members  func() int
	stop     func() error
}

func serveHTTP(handler http.Handler, members func() int, stop func() error) (Server, error) {
	return serveHTTPOn(listen, handler, members, stop)
}

// serveHTTPOn has listen make the listener.
func serveHTTPOn(
	listen func() (net.Listener, error), handler http.Handler, members func() int, stop func() error,
) (Server, error) {
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	s := &httpServer{listener: listener, server: &http.Server{Handler: handler}, members: members, stop: stop}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

func (s *httpServer) Addr() net.Addr { return s.listener.Addr() }
func (s *httpServer) Members() int   { return s.members() }

func (s *httpServer) Close() error {
	err := s.server.Close()
	if s.stop != nil {
		return s.stop()
	}
	return err
}

// star has the connections of a server that keeps no list of its own. A slice
// is cheaper to go through than a map; numbers are given from 0 without holes.
type star[C any] struct {
	mu      sync.RWMutex
	master  C
	members []C
	present int
}

func (s *star[C]) enter(number int, c C) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 0 {
		s.master = c
		return
	}
	var none C
	for len(s.members) <= number {
		s.members = append(s.members, none)
	}
	s.members[number] = c
	s.present++
}

// leave takes a member out; its place in the slice stays empty.
func (s *star[C]) leave(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none C
	if number >= 0 {
		s.members[number] = none
		s.present--
	}
}

func (s *star[C]) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.present
}
