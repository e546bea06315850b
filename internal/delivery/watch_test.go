package delivery

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// numbers are those of the changes that the listener gets next, up to where there is no more.
func numbers(t *testing.T, l *Listener) (got []uint64, missed int) {
	buffer := make([]Event, 3)
	for {
		n, lost, more := l.Next(buffer)
		if missed += lost; n == 0 && lost == 0 {
			require.NotNil(t, more)
			return got, missed
		}
		for _, e := range buffer[:n] {
			got = append(got, e.Number)
		}
	}
}

func upTo(from, to uint64) (all []uint64) {
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

func TestListeners(t *testing.T) {
	var w Watch
	add := func(from, to uint64) {
		for _, n := range upTo(from, to) {
			w.add(Event{Change: star.Change{Number: n}})
		}
	}
	add(1, 10) // nobody listens
	require.Nil(t, w.log)
	one := w.Listen()
	add(11, 20)
	two := w.Listen()
	add(21, 30)
	got, missed := numbers(t, one)
	require.Equal(t, upTo(11, 30), got)
	require.Zero(t, missed)
	got, _ = numbers(t, two)
	require.Equal(t, upTo(21, 30), got)

	// Exactly as far behind as one may be, and one event further.
	add(31, 30+maxBehind)
	got, missed = numbers(t, one)
	require.Equal(t, upTo(31, 30+maxBehind), got)
	require.Zero(t, missed)
	add(31+maxBehind, 31+maxBehind)
	got, missed = numbers(t, two)
	require.Empty(t, got)
	require.Equal(t, maxBehind+1, missed)
	got, _ = numbers(t, one)
	require.Equal(t, []uint64{31 + maxBehind}, got)
	add(40+maxBehind, 41+maxBehind)
	for _, l := range []*Listener{one, two} {
		got, missed = numbers(t, l)
		require.Equal(t, upTo(40+maxBehind, 41+maxBehind), got)
		require.Zero(t, missed)
	}

	// Who waits is woken, all of them.
	_, _, more := one.Next(nil)
	_, _, same := two.Next(nil)
	require.Equal(t, more, same)
	add(1, 1)
	<-more
	two.Close()
	add(2, 2)
	w.Close()
	got = nil
	for {
		buffer := make([]Event, 1)
		n, _, more := one.Next(buffer)
		if n == 0 {
			require.Nil(t, more, "nothing comes any more")
			break
		}
		got = append(got, buffer[0].Number)
	}
	require.Equal(t, []uint64{1, 2}, got, "what there is is told before the end")
	one.Close()
	require.Nil(t, w.log)
}

// What a hundred listeners that never read hold is one log, however much happens; and where
// there is none, telling costs nothing.
func TestListenersHoldOneLog(t *testing.T) {
	c := newChannel(t, SlowDisconnect, false)
	master := c.enter("alice", wire.Master, takesAll{})
	e := &star.Effect{Kind: star.Forget, To: &master.Attachment, End: wire.ErrChannelClosed.With(strings.Repeat("é", 2_000))}
	require.Zero(t, testing.AllocsPerRun(100, func() { c.tell(e) }))
	var listeners []*Listener
	for range 100 {
		listeners = append(listeners, c.config.Watch.Listen())
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 5 * maxBehind {
		e.End = wire.ErrChannelClosed.With(strings.Repeat("é", 2_000))
		c.tell(e)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(4<<20), "a text is cut, not kept")
	require.Len(t, c.config.Watch.log, maxBehind)
	require.Equal(t, strings.Repeat("é", maxEventText/2), c.config.Watch.log[0].Text)
	for _, l := range listeners {
		_, missed, _ := l.Next(nil)
		require.Equal(t, 5*maxBehind, missed)
		l.Close()
	}
	require.Nil(t, c.config.Watch.log)
}

// Listeners come, read and go while channels tell.
func TestListenersAtOnce(t *testing.T) {
	var w Watch
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				l := w.Listen()
				buffer := make([]Event, 7)
				last := uint64(0)
				for range 20 {
					n, missed, more := l.Next(buffer)
					for _, e := range buffer[:n] {
						if e.Number <= last {
							t.Errorf("%d comes after %d", e.Number, last)
						}
						last = e.Number
					}
					if n == 0 && missed == 0 {
						select {
						case <-more:
						case <-time.After(time.Microsecond):
						}
					}
				}
				l.Close()
			}
		})
	}
	stop := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
				w.add(Event{Change: star.Change{Number: n}})
			}
		}
	})
	all.Wait()
	close(stop)
	telling.Wait()
}
