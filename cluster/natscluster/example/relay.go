package main

import (
	"io"
	"net"
	"sync"
)

// A relay is a network between those who connect to it and where it leads. It can be cut, as a cable
// is: nothing passes any more and nobody is told. What was on its way passes when it is mended.
type relay struct {
	listener net.Listener
	dial     func() (net.Conn, error)
	going    sync.WaitGroup

	mu     sync.Mutex
	passes chan struct{} // closed while bytes pass
	closed chan struct{}
	conns  map[net.Conn]bool
}

// startRelay listens at the address, and leads each connection to where dial does.
func startRelay(address string, dial func() (net.Conn, error)) (*relay, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	r := &relay{listener: listener, dial: dial, passes: make(chan struct{}), closed: make(chan struct{}), conns: make(map[net.Conn]bool)}
	close(r.passes)
	r.going.Go(r.accept)
	return r, nil
}

// Addr is where it listens.
func (r *relay) Addr() string { return r.listener.Addr().String() }

// Cut lets nothing pass from now on.
func (r *relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isCut() {
		r.passes = make(chan struct{})
	}
}

// Mend undoes Cut.
func (r *relay) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isCut() {
		close(r.passes)
	}
}

// IsCut tells whether nothing passes.
func (r *relay) IsCut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.isCut()
}

func (r *relay) isCut() bool {
	select {
	case <-r.passes:
		return false
	default:
		return true
	}
}

// Close ends all connections, and waits.
func (r *relay) Close() {
	_ = r.listener.Close()
	r.mu.Lock()
	close(r.closed)
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.going.Wait()
}

// wait waits until bytes pass, and tells whether they do: false is the end.
func (r *relay) wait() bool {
	for {
		r.mu.Lock()
		passes := r.passes
		r.mu.Unlock()
		select {
		case <-r.closed:
			return false
		default:
		}
		select {
		case <-r.closed:
			return false
		case <-passes:
		}
		r.mu.Lock()
		same := passes == r.passes
		r.mu.Unlock()
		if same {
			return true
		}
	}
}

// keep notes a connection that is to be closed at the end, or closes it where that has come.
func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.closed:
		_ = c.Close()
		return false
	default:
		r.conns[c] = true
		return true
	}
}

func (r *relay) drop(c net.Conn) {
	_ = c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

func (r *relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.going.Go(func() { r.lead(c) })
	}
}

func (r *relay) lead(from net.Conn) {
	if !r.keep(from) {
		return
	}
	defer r.drop(from)
	if !r.wait() {
		return
	}
	to, err := r.dial()
	if err != nil || !r.keep(to) {
		return
	}
	defer r.drop(to)
	back := make(chan struct{})
	go func() {
		defer close(back)
		r.copy(from, to)
	}()
	r.copy(to, from)
	<-back
}

// copy passes on what comes, and closes both when there is no more.
func (r *relay) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	_, _ = io.Copy(gated{to, r}, onlyReader{from})
}

// gated is a connection behind a relay that can be cut.
type gated struct {
	io.Writer
	relay *relay
}

func (g gated) Write(b []byte) (int, error) {
	if !g.relay.wait() {
		return 0, net.ErrClosed
	}
	return g.Writer.Write(b)
}

// onlyReader hides what would let the system copy by itself, past the gate.
type onlyReader struct{ io.Reader }
