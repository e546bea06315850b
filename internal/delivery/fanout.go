package delivery

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
)

// fanout is the state of the deliverer. Consecutive messages for all slaves are
// collected in a batch, and each slave gets the whole batch at once. The batch is
// queued and written for one slave before the next slave's turn, while the slave's
// connection is still in the processor's cache.
type fanout struct {
	// audience has all slaves that have a connection.
	audience []receiver
	// batch is for the whole audience, and was not queued yet.
	batch batch
	// unflushed are the lines that have something queued and must be flushed.
	unflushed []*Line
}

// receiver is one slave of the audience. It has copies of fields of its seat and line.
// Without the copies the processor would fetch both from memory for each slave, which
// took 0.1 µs a slave in a delivery to 10,000.
type receiver struct {
	*Seat
	out  *outbox.Queue
	form wire.Form
}

// maxBatch is the largest number of messages in a batch. maxBatchBytes bounds the
// payloads of a batch that has more than one message: no transport writes much more
// without waiting for the peer.
const (
	maxBatch      = 64
	maxBatchBytes = 64 << 10
)

// admit adds a seat to the audience.
func (f *fanout) admit(s *Seat) {
	s.Index = int32(len(f.audience))
	f.audience = append(f.audience, receiver{Seat: s, out: s.line.out, form: s.line.form})
}

// dismiss removes a seat from the audience, where it is in it: another hub that has decided the channel may have
// dismissed it before.
func (f *fanout) dismiss(s *Seat) {
	last := len(f.audience) - 1
	if int(s.Index) > last || f.audience[s.Index].Seat != s {
		return
	}
	f.audience[s.Index] = f.audience[last]
	f.audience[s.Index].Index = s.Index
	f.audience[last] = receiver{}
	f.audience = f.audience[:last]
}

// needsFlush has flushLines flush the line's outbox.
func (c *Channel) needsFlush(l *Line) {
	unflushed := &c.fanout.unflushed
	if n := len(*unflushed); n == 0 || (*unflushed)[n-1] != l {
		*unflushed = append(*unflushed, l)
	}
}

// flushLines flushes the outboxes of all lines in unflushed.
func (c *Channel) flushLines() {
	unflushed := c.fanout.unflushed
	for _, l := range unflushed {
		l.out.Flush()
	}
	clear(unflushed)
	if c.fanout.unflushed = unflushed[:0]; cap(unflushed) > maxPendingEffects {
		c.fanout.unflushed = nil
	}
}

// queueOne queues a packet to one member. flushLines sends it.
func (c *Channel) queueOne(p *wire.Packet, s *Seat) {
	c.needsFlush(s.line)
	if !p.IsMessage() {
		s.line.Push(p)
		return
	}
	depth := c.checkDepth(s)
	if n, ok := s.pushMessage(p); ok {
		c.observeSent(s.Role(), sendStats{messages: 1, bytes: n, depth: depth}, p.Frame().Private)
	}
}

// queueAll adds a message for the whole audience to the batch. Another packet it
// queues to the whole audience at once, and flushes it.
func (c *Channel) queueAll(p *wire.Packet) {
	if p.IsMessage() {
		batch := &c.fanout.batch
		if len(batch.packets) >= maxBatch || batch.size+len(p.Frame().Payload.Data) > maxBatchBytes {
			c.fanOutBatch()
		}
		batch.add(p)
		return
	}
	c.fanOutBatch()
	var writers writerCount
	for _, r := range c.fanout.audience {
		r.line.Push(p)
		writers.count(r.out.Flush())
	}
}

// writerCount counts the writer goroutines of outboxes that a delivery has started and
// that had no turn yet.
type writerCount int

// maxWriters is how many writer goroutines a delivery starts before it lets them run.
// So the first ones are done before the last ones begin, and their memory can be used
// again.
const maxWriters = 64

// count counts the result of a Flush. After maxWriters it yields the processor.
func (w *writerCount) count(writing bool) {
	if !writing {
		return
	}
	if *w++; *w == maxWriters {
		*w = 0
		runtime.Gosched()
	}
}

// fanOutBatch queues the batch to the whole audience and flushes it.
//
// With a large audience that takes time, so what was queued before is flushed first:
// for example the answers to the master. With a small audience the slaves get the
// message before the master gets its answer: at ten messages a second they get it a
// thirtieth sooner.
func (c *Channel) fanOutBatch() {
	batch := &c.fanout.batch
	if len(batch.packets) == 0 {
		return
	}
	if len(c.fanout.audience) > maxInlineReceivers {
		c.flushLines()
	}
	c.observeSent(wire.Slave, c.fanOut(batch, c.fanout.audience), false)
	batch.clear()
}

// fanOut queues the batch to each slave of the audience. With a large audience,
// several workers on several processors take chunks of it until none is left. A worker
// whose processor is busy with other work takes fewer chunks.
func (c *Channel) fanOut(batch *batch, audience []receiver) sendStats {
	var taken atomic.Int64
	work := func(stats *sendStats) {
		var writers writerCount
		for end := 0; end < len(audience); {
			end = int(taken.Add(chunkSize))
			chunk := audience[min(end-chunkSize, len(audience)):min(end, len(audience))]
			stats.add(c.fanOutChunk(batch, chunk, &writers))
		}
	}
	workers := max(1, min(runtime.GOMAXPROCS(0), len(audience)/minPerWorker))
	stats := make([]sendStats, workers)
	var others sync.WaitGroup
	for i := 1; i < workers; i++ {
		others.Go(func() { work(&stats[i]) })
	}
	work(&stats[0])
	others.Wait()
	for _, t := range stats[1:] {
		stats[0].add(t)
	}
	return stats[0]
}

// chunkSize is how many slaves a worker takes at a time.
const chunkSize = 64

// minPerWorker is how many slaves there must be for each worker. Sending to so many
// takes a processor about two milliseconds. A measurement with two processors, which
// the load generator shares: the last of 10,000 slaves has a single message after
// 52 ms with two workers, and after 98 ms with one. No difference in processor time
// could be measured (bench: run -only crowd).
const minPerWorker = 400

// fanOutChunk queues the batch to each of the receivers, and flushes it.
func (c *Channel) fanOutChunk(batch *batch, receivers []receiver, writers *writerCount) (total sendStats) {
	var encoded [2][][]byte
	for i := range receivers {
		r := &receivers[i]
		total.depth = max(total.depth, c.checkDepth(r.Seat))
		if encoded[r.form] == nil {
			encoded[r.form] = batch.in(r.form)
		}
		if c.config.Outbox.Overflow != outbox.Refuse || batch.expires {
			sent, writing := r.pushEach(encoded[r.form], batch)
			total.add(sent)
			writers.count(writing)
			continue
		}
		sent, writing, err := r.out.PushAll(encoded[r.form])
		writers.count(writing)
		if err == outbox.ErrFull {
			r.line.CloseSlow()
		}
		if c.config.Observed {
			for _, message := range encoded[r.form][:sent] {
				total.add(sendStats{messages: 1, bytes: len(message)})
			}
		}
	}
	return total
}
