package delivery

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/star"
)

// Watch tells those that listen what has changed in the channels of a hub. There is one log of
// the latest changes, which all of them read, each at its own pace: so to tell costs a channel
// the same, however many they are and however slowly they read, and waits for none of them.
// Where nobody listens there is no log. The zero Watch is ready to be used.
type Watch struct {
	listening atomic.Int32

	// mu guards the fields below.
	mu sync.Mutex
	// log has the latest maxBehind events, the one of number n at n % maxBehind. next is the
	// number of the next one.
	log  []Event
	next uint64
	// woken is closed when there is something new, and is nil where nobody waits.
	woken  chan struct{}
	closed bool
}

// maxBehind is how many events a listener may be behind. It is the size of the log.
const maxBehind = 4096

// Event is a change of a channel.
type Event struct {
	// Channel is the channel. Appeared: it was there before its changes, and a report of it
	// tells how it is; the Change is the one that has brought it here, if it is a hand-over. Moved: this hub does not decide it any more, and it has not ended.
	Channel         *Channel
	Appeared, Moved bool
	star.Change
	Time time.Time
	// Connection is the number of the connection that the member is on or was on last, and
	// Address that of its peer. They are zero and empty where that is not known.
	Connection uint64
	Address    string
}

// tell tells of the effect, if somebody listens. It is called by the deliverer, so that the
// events of a channel are in the order of its decisions.
func (c *Channel) tell(e *star.Effect) {
	w := &c.config.Watch
	if w.listening.Load() == 0 {
		return
	}
	event := Event{Channel: c, Change: e.Change(), Time: time.Now()}
	event.Text = cut(event.Text)
	if e.To != nil {
		event.Connection, event.Address = Peer(e.To.Line)
	}
	w.add(event)
}

// appeared tells of a channel that was there before its changes, with what has brought it here.
func (w *Watch) appeared(c *Channel, by []star.Effect) {
	if w.listening.Load() == 0 {
		return
	}
	event := Event{Channel: c, Appeared: true}
	for i := range by {
		if by[i].Kind == star.Changed && by[i].What == star.HandedOver {
			event.Change = by[i].Change()
		}
	}
	w.add(event)
}

// moved tells of a channel that another hub decides from now on.
func (w *Watch) moved(c *Channel) {
	if w.listening.Load() > 0 {
		w.add(Event{Channel: c, Moved: true, Time: time.Now()})
	}
}

// maxEventText is how many bytes of a text an event has: it may be as long as a frame, and
// there are many events.
const maxEventText = 256

func cut(text string) string {
	if len(text) > maxEventText {
		// A copy, so that the rest of it is not kept.
		text = strings.Clone(strings.ToValidUTF8(text[:maxEventText], ""))
	}
	return text
}

func (w *Watch) add(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log == nil {
		return // nobody listens any more
	}
	w.log[w.next%maxBehind] = e
	w.next++
	w.wake()
}

// wake wakes those that wait. The lock is held.
func (w *Watch) wake() {
	if w.woken != nil {
		close(w.woken)
		w.woken = nil
	}
}

// Close lets listeners read what there is, and then no more.
func (w *Watch) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wake()
}

// Listener reads what a Watch tells from the moment of Listen on. It is for one goroutine.
type Listener struct {
	watch *Watch
	next  uint64
}

// Listen begins to listen. The caller must call Close.
func (w *Watch) Listen() *Listener {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log == nil {
		w.log = make([]Event, maxBehind)
	}
	w.listening.Add(1)
	return &Listener{watch: w, next: w.next}
}

// Close ends the listening.
func (l *Listener) Close() {
	w := l.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listening.Add(-1) == 0 {
		w.log = nil
	}
}

// Next copies the next events to buffer, and returns how many there were. Where the listener
// was more than maxBehind behind, it returns how many it has missed, and goes on with what
// comes now. Where there is nothing, more is closed when there is something, and is nil where
// nothing comes any more.
func (l *Listener) Next(buffer []Event) (events, missed int, more <-chan struct{}) {
	w := l.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	behind := w.next - l.next
	switch {
	case behind > maxBehind:
		l.next = w.next
		return 0, int(behind), nil
	case behind > 0:
		for events < len(buffer) && l.next < w.next {
			buffer[events] = w.log[l.next%maxBehind]
			events++
			l.next++
		}
		return events, 0, nil
	case w.closed:
		return 0, 0, nil
	case w.woken == nil:
		w.woken = make(chan struct{})
	}
	return 0, 0, w.woken
}
