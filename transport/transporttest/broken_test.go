package transporttest

import (
	"sync"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// broken is an adapter that breaks the contract in some way: a memory
// connection some of whose methods are replaced.
type broken struct {
	*memory.Conn
	peer *broken
	room *room

	read     func() ([]byte, error)
	write    func(messages ...[]byte) error
	try      func(messages ...[]byte) bool
	last     func(reason transport.Reason, messages ...[]byte) error
	close    func(reason transport.Reason) error
	setLimit func(bytes int)
	taken    func() uint64

	// State that the replaced methods use as they like, under the room's lock.
	n        int
	messages [][]byte
	reason   transport.Reason
	closed   chan struct{} // what a replaced Close may close
	writing  chan struct{} // a token for the writer
}

// room is what both ends of a broken connection share. What hangs in a broken
// adapter hangs until released is closed.
type room struct {
	sync.Mutex
	settings Settings
	released chan struct{}
}

func (r *room) hang() { <-r.released }

func (b *broken) Read() ([]byte, error) {
	if b.read == nil {
		return b.Conn.Read()
	}
	return b.read()
}

func (b *broken) Write(messages ...[]byte) error {
	if b.write == nil {
		return b.Conn.Write(messages...)
	}
	return b.write(messages...)
}

func (b *broken) TryWrite(messages ...[]byte) bool {
	return b.try != nil && b.try(messages...)
}

func (b *broken) WriteLast(reason transport.Reason, messages ...[]byte) error {
	if b.last != nil {
		return b.last(reason, messages...)
	}
	err := b.Write(messages...)
	_ = b.Close(reason)
	return err
}

func (b *broken) Close(reason transport.Reason) error {
	if b.close == nil {
		return b.Conn.Close(reason)
	}
	return b.close(reason)
}

func (b *broken) SetMaxFrameBytes(bytes int) {
	if b.setLimit == nil {
		b.Conn.SetMaxFrameBytes(bytes)
		return
	}
	b.setLimit(bytes)
}

func (b *broken) Taken() uint64 {
	if b.taken == nil {
		return b.Conn.Taken()
	}
	return b.taken()
}

func memoryOptions(s Settings) memory.Options {
	return memory.Options{MaxFrameBytes: s.MaxFrameBytes, ProbeAfter: s.ProbeAfter, GiveUp: s.GiveUp}
}

// breakPair makes a pair both of whose ends were broken by breakEnd.
func breakPair(s Settings, change func(*memory.Options), breakEnd func(*broken), released chan struct{}) Pair {
	options := memoryOptions(s)
	if change != nil {
		change(&options)
	}
	connA, connB := memory.Pipe(options)
	r := &room{settings: s, released: released}
	newEnd := func(conn *memory.Conn) *broken {
		return &broken{Conn: conn, room: r, closed: make(chan struct{}), writing: make(chan struct{}, 1)}
	}
	a, b := newEnd(connA), newEnd(connB)
	a.peer, b.peer = b, a
	if breakEnd != nil {
		breakEnd(a)
		breakEnd(b)
	}
	return Pair{A: a, B: b, Cut: connA.Cut, Silence: connA.Silence}
}
