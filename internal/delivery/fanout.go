package delivery

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// fanout is what a delivery has in hand. Messages for all slaves that follow on
// each other are gathered to a run, and each slave gets a run at once: what is
// queued for one is written before the next one's turn, while the processor still
// knows of its connection.
type fanout struct {
	// audience holds the slaves that are connected.
	audience []receiver
	// run is for all of them, and was not queued yet.
	run run
	// touched are the lines with something queued that was not flushed yet.
	touched []*Line
}

// A receiver is one of an audience, with what its seat and line would be asked
// for. The processor would have to fetch both from memory for each slave, which
// took 0.1 µs of a delivery to 10,000.
type receiver struct {
	*Seat
	out  *outbox.Queue
	form wire.Form
}

// A run has at most so many messages, and more than one only up to so many bytes
// of payload: what is much larger no transport writes without waiting.
const (
	maxRun      = 64
	maxRunBytes = 64 << 10
)

func (f *fanout) admit(s *Seat) {
	s.place = len(f.audience)
	f.audience = append(f.audience, receiver{Seat: s, out: s.line.out, form: s.line.form})
}

func (f *fanout) dismiss(s *Seat) {
	last := len(f.audience) - 1
	f.audience[s.place] = f.audience[last]
	f.audience[s.place].place = s.place
	f.audience[last] = receiver{}
	f.audience = f.audience[:last]
}

// touch has the line's outbox flushed.
func (c *Channel) touch(l *Line) {
	touched := &c.fanout.touched
	if n := len(*touched); n == 0 || (*touched)[n-1] != l {
		*touched = append(*touched, l)
	}
}

func (c *Channel) flushTouched() {
	touched := c.fanout.touched
	for _, l := range touched {
		l.out.Flush()
	}
	clear(touched)
	if c.fanout.touched = touched[:0]; cap(touched) > maxUndelivered {
		c.fanout.touched = nil
	}
}

// pass queues a packet to one receiver.
func (c *Channel) pass(p *wire.Packet, s *Seat) {
	c.touch(s.line)
	if !p.IsMessage() {
		s.line.Push(p)
		return
	}
	depth := c.lookAt(s)
	if n, ok := s.pushMessage(p); ok {
		c.account(s.Role(), passed{messages: 1, bytes: n, depth: depth}, p.Frame().Private)
	}
}

// passAll queues a packet to everyone in the audience, or adds it to the run.
func (c *Channel) passAll(p *wire.Packet) {
	if p.IsMessage() {
		run := &c.fanout.run
		if len(run.packets) >= maxRun || run.size+len(p.Frame().Payload.Data) > maxRunBytes {
			c.endRun()
		}
		run.add(p)
		return
	}
	c.endRun()
	var writers writers
	for _, r := range c.fanout.audience {
		r.line.Push(p)
		writers.count(r.out.Flush())
	}
}

// writers are the goroutines that a delivery has left something to do.
type writers int

// maxWriters is how many of them there are before it is their turn: the first are
// done then before the last begin, and pass on the memory that they take.
const maxWriters = 64

func (w *writers) count(left bool) {
	if !left {
		return
	}
	if *w++; *w == maxWriters {
		*w = 0
		runtime.Gosched()
	}
}

// endRun queues the run to everyone in the audience. Where that takes time, what was
// queued before is flushed first, among it the answers to the master. Few slaves have
// the message before its sender has the answer: at ten messages a second they have it
// a thirtieth sooner so.
func (c *Channel) endRun() {
	run := &c.fanout.run
	if len(run.packets) == 0 {
		return
	}
	if len(c.fanout.audience) > maxByReader {
		c.flushTouched()
	}
	c.account(wire.Slave, c.passToAll(run, c.fanout.audience), false)
	run.clear()
}

// passToAll queues the run for each of the audience. Where that is large, several
// processors take pieces of it until none is left: one that others want too takes
// fewer.
func (c *Channel) passToAll(run *run, audience []receiver) passed {
	var taken atomic.Int64
	share := func(tally *passed) {
		var writers writers
		for end := 0; end < len(audience); {
			end = int(taken.Add(pieceSize))
			piece := audience[min(end-pieceSize, len(audience)):min(end, len(audience))]
			tally.add(c.passRun(run, piece, &writers))
		}
	}
	shares := max(1, min(runtime.GOMAXPROCS(0), len(audience)/minShare))
	tallies := make([]passed, shares)
	var others sync.WaitGroup
	for i := 1; i < shares; i++ {
		others.Go(func() { share(&tallies[i]) })
	}
	share(&tallies[0])
	others.Wait()
	for _, t := range tallies[1:] {
		tallies[0].add(t)
	}
	return tallies[0]
}

// pieceSize is how many slaves a processor takes at a time.
const pieceSize = 64

// minShare is how many slaves a processor is worth: their messages take it some two
// milliseconds. On two processors that the load generator shares, the last of
// 10,000 slaves has a single message after 52 ms, and after 98 ms from one, for no
// more processor time that could be measured (bench: run -only crowd).
const minShare = 400

// passed is what is on its way, where somebody observes that: messages, their
// bytes, and the most that waited for one of their receivers before.
type passed struct{ messages, bytes, depth int }

// passRun queues the run for each of the receivers, and flushes it.
func (c *Channel) passRun(run *run, receivers []receiver, writers *writers) (p passed) {
	var encoded [2][][]byte
	for i := range receivers {
		r := &receivers[i]
		p.depth = max(p.depth, c.lookAt(r.Seat))
		if encoded[r.form] == nil {
			encoded[r.form] = run.in(r.form)
		}
		if c.config.Outbox.Overflow != outbox.Refuse {
			sent, left := r.pushEach(encoded[r.form])
			p.add(sent)
			writers.count(left)
			continue
		}
		sent, left, err := r.out.PushAll(encoded[r.form])
		writers.count(left)
		if err == outbox.ErrFull {
			r.line.TooSlow()
		}
		if c.config.Observed {
			for _, message := range encoded[r.form][:sent] {
				p.add(passed{messages: 1, bytes: len(message)})
			}
		}
	}
	return p
}

func (p *passed) add(more passed) {
	p.messages += more.messages
	p.bytes += more.bytes
	p.depth = max(p.depth, more.depth)
}

// lookAt returns how much waits for a slave already, and notes whether it is
// slow, where somebody wants to know.
func (c *Channel) lookAt(s *Seat) (depth int) {
	if !c.config.Observed && c.config.Slow != SlowHold || s.Role() != wire.Slave {
		return 0
	}
	depth, crowded := s.line.depth()
	if crowded && c.config.Slow == SlowHold {
		c.crowd.add(s)
	}
	return depth
}

// account tells the Observer of messages that are on their way.
func (c *Channel) account(to wire.Role, p passed, private bool) {
	if !c.config.Observed || p.messages == 0 {
		return
	}
	c.config.Observer.Add(star.MessagesSent, to.String(), int64(p.messages))
	c.config.Observer.Add(star.BytesSent, to.String(), int64(p.bytes))
	if to == wire.Slave && !private {
		c.config.Observer.Observe(star.QueueDepth, float64(p.depth))
	}
}
