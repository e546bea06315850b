package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

func expiringMessage(seq uint64, d time.Duration) Message {
	m := numberedMessage(seq, 10)
	m.Expires = time.Now().Add(d)
	return m
}

// What has expired before it is taken is a gap in its place, at the very instant; what was told
// so counts as taken. A client that takes nothing keeps as much as ever.
func TestInboxDropsWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20})
		p := Presence{Username: "alice"}
		forever := numberedMessage(3, 10)
		late := expiringMessage(6, time.Second+1)
		for _, e := range []any{expiringMessage(1, time.Second), expiringMessage(2, time.Second), forever, expiringMessage(4, time.Second), p, expiringMessage(5, time.Second), late} {
			b.put(e)
		}
		time.Sleep(time.Second - 1)
		first, _ := b.tryTake()
		require.EqualValues(t, 1, first.(Message).Seq)
		time.Sleep(time.Nanosecond)
		require.Equal(t, []any{gap{1}, forever, gap{1}, p, gap{1}, late}, b.takeAll())
		require.Empty(t, b.expiring)
		require.Zero(t, b.bytes)

		b = anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20})
		b.put(numberedMessage(7, 10))
		b.put(expiringMessage(9, time.Second))
		b.tryTake()
		require.EqualValues(t, 7, b.Last())
		time.Sleep(time.Second)
		require.Equal(t, []any{gap{1}}, b.takeAll())
		require.EqualValues(t, 9, b.Last(), "nobody is told again")
		b.gap(2, 12) // from the hub
		require.Equal(t, []any{gap{2}}, b.takeAll())
		require.EqualValues(t, 12, b.Last())

		// Dropped for room, and expired behind that: one gap.
		b = anyInbox(QueueLimit{Messages: 3, Bytes: 1 << 20})
		for seq := range uint64(5) {
			b.put(expiringMessage(seq+1, time.Duration(seq)*time.Second))
		}
		require.Len(t, b.expiring, 3)
		time.Sleep(3 * time.Second)
		got := b.takeAll()
		require.Equal(t, gap{4}, got[0])
		require.EqualValues(t, 5, got[1].(Message).Seq)

		b = anyInbox(QueueLimit{Messages: 10, Bytes: 1 << 20})
		for seq := range uint64(10_000) {
			b.put(expiringMessage(seq+1, time.Hour))
			require.LessOrEqual(t, len(b.expiring), 10)
		}
	})
}

// A waiting taker gets what comes behind what has expired.
func TestInboxTakesBehindWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20})
		ended := make(chan struct{})
		b.put(expiringMessage(1, time.Second))
		time.Sleep(time.Second)
		for _, want := range []any{gap{1}} {
			e, ok, err := b.Take(t.Context(), ended)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, want, e)
		}
		b.put(expiringMessage(2, 0))
		close(ended)
		e, ok, err := b.Take(t.Context(), ended)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, gap{1}, e)
		_, ok, _ = b.Take(t.Context(), ended)
		require.False(t, ok)
	})
}

// lasts sends a message that lasts so long in the background.
func lasts(ctx context.Context, m *Membership, d time.Duration) <-chan error {
	done := make(chan error, 1)
	frame := wire.Frame{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte("x")}}
	frame.SetTopic("drive")
	frame.SetExpires(wire.Milliseconds(d))
	go func() {
		_, err := m.Send(ctx, frame)
		done <- err
	}()
	synctest.Wait()
	return done
}

// The time of a message begins with the call, and what is written says what is left of it.
func TestWhatIsLeftWhenItIsWritten(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		done := lasts(t.Context(), m, 10*time.Second)
		sent := old.one(wire.Send)
		require.EqualValues(t, 10_000, sent.Expires())
		require.Equal(t, "drive", sent.Topic())
		time.Sleep(3 * time.Second)
		old.closes(transport.Idle)
		time.Sleep(time.Second)
		next := p.dialled()
		next.takesIn(next.one(wire.Resume))
		again := next.one(wire.Send)
		require.Equal(t, sent.Ref, again.Ref)
		require.EqualValues(t, 6_000, again.Expires())
		require.Equal(t, "drive", again.Topic())
		next.says(wire.Frame{Type: wire.Ack, Ref: again.Ref, Seq: 1})
		require.NoError(t, <-done)
	})
}

// One that was not written by the end of its time is not written any more, and its caller
// knows at that instant. One that was and has no answer is not written again.
func TestWhatIsTooLateIsNotWritten(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		written := lasts(t.Context(), m, time.Second)
		old.one(wire.Send)
		time.Sleep(2 * time.Second)
		waits(t, written)
		p.hang = make(chan struct{})
		old.closes(transport.Idle)
		began := time.Now()
		unwritten := lasts(t.Context(), m, time.Second)
		err := <-unwritten
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, err, wire.ErrTooLate)
		require.NotErrorIs(t, err, errSendUnknown)
		waits(t, written)
		last := sends(t.Context(), m, "y")
		close(p.hang)
		time.Sleep(time.Second)
		next := p.dialled()
		next.takesIn(next.one(wire.Resume))
		err = <-written
		require.ErrorIs(t, err, wire.ErrTooLate)
		require.ErrorIs(t, err, errSendUnknown)
		sent := next.one(wire.Send)
		require.Equal(t, "y", string(sent.Payload.Data))
		next.says(wire.Frame{Type: wire.Ack, Ref: sent.Ref, Seq: 1})
		require.NoError(t, <-last)
		require.Len(t, m.window, 0)
	})
}

// One that waits for a place among those that have no answer, and one that was refused because
// the hub stops, are too late in the same way.
func TestTooLateWhileItWaits(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		var all []<-chan error
		for range wire.SlaveAnswers {
			all = append(all, sends(t.Context(), m, "x"))
		}
		err := <-lasts(t.Context(), m, time.Second)
		require.ErrorIs(t, err, wire.ErrTooLate)
		require.NotErrorIs(t, err, errSendUnknown)
		for i, frame := range old.of(wire.Send) {
			old.says(wire.Frame{Type: wire.Ack, Ref: frame.Ref, Seq: uint64(i + 1)})
			require.NoError(t, <-all[i])
		}
		for _, late := range []bool{false, true} {
			done := lasts(t.Context(), m, time.Second)
			sent := old.of(wire.Send)
			if !late {
				require.Len(t, sent, 1)
			} else {
				require.Empty(t, sent) // held behind the one before
				require.ErrorIs(t, <-done, wire.ErrTooLate)
				continue
			}
			time.Sleep(2 * time.Second)
			old.refuses(sent[0], wire.ErrShuttingDown)
			err := <-done
			require.ErrorIs(t, err, wire.ErrTooLate)
			require.NotErrorIs(t, err, errSendUnknown)
		}
	})
}

// Who is not listed when a request is over has not answered in time; who is listed has.
func TestTooLateAnswers(t *testing.T) {
	tooLate := func(names ...string) wire.Frame {
		frame := listed(0, names...)
		frame.Code = string(wire.ErrTooLate.Code)
		return frame
	}
	gathers := func(t *testing.T, test func(p *play, m *Membership, hub *peer), want map[string]error) {
		inPlay(t, nil, func(t *testing.T, p *play) {
			m, _, hub := p.creates("ada", "bob")
			frame := wire.Frame{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte("who?")}}
			frame.SetExpires(1000)
			answers := make(chan Answer, 10)
			go func() {
				defer close(answers)
				for answer := range m.Gather(t.Context(), frame, Gathering{}) {
					answers <- answer
				}
			}()
			asked := hub.one(wire.Send)
			hub.says(wire.Frame{Type: wire.Ack, Ref: asked.Ref, Seq: 7, Slaves: 2})
			test(p, m, hub)
			got := map[string]error{}
			for answer := range answers {
				if answer.Lost {
					answer.Err = context.Canceled
				}
				got[answer.From] = answer.Err
			}
			require.Len(t, got, len(want))
			for name, why := range want {
				require.ErrorIs(t, got[name], why, name)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		gathers(t, func(_ *play, _ *Membership, hub *peer) { hub.says(tooLate()) }, map[string]error{"ada": wire.ErrTooLate, "bob": wire.ErrTooLate})
	})
	t.Run("one, and one is still to come", func(t *testing.T) {
		gathers(t, func(_ *play, _ *Membership, hub *peer) { hub.says(tooLate("bob"), answer("bob", 1, 7)) }, map[string]error{"ada": wire.ErrTooLate, "bob": nil})
	})
	t.Run("of another code, or another request", func(t *testing.T) {
		gathers(t, func(_ *play, _ *Membership, hub *peer) {
			unknown := tooLate()
			unknown.Code = ""
			other := tooLate()
			other.Request = 8
			hub.says(unknown, other, answer("ada", 1, 7), answer("bob", 2, 7))
		}, map[string]error{"ada": nil, "bob": nil})
	})
	t.Run("learned by asking after the end", func(t *testing.T) {
		gathers(t, func(p *play, _ *Membership, hub *peer) {
			hub.closes(transport.Idle)
			time.Sleep(time.Second)
			next := p.dialled()
			next.takesMaster(next.one(wire.Resume), "ada", "bob")
			next.says(listed(next.one(wire.Awaiting).Ref))
		}, map[string]error{"ada": wire.ErrTooLate, "bob": wire.ErrTooLate})
	})
	t.Run("learned by asking before the end", func(t *testing.T) {
		gathers(t, func(p *play, _ *Membership, hub *peer) {
			hub.closes(transport.Idle)
			time.Sleep(100 * time.Millisecond)
			next := p.dialled()
			next.takesMaster(next.one(wire.Resume), "ada", "bob")
			next.says(listed(next.one(wire.Awaiting).Ref, "bob"), tooLate())
		}, map[string]error{"ada": wire.ErrNoSuchSlave, "bob": wire.ErrTooLate})
	})
	t.Run("an answer was in a gap", func(t *testing.T) {
		gathers(t, func(_ *play, _ *Membership, hub *peer) {
			hub.says(wire.Frame{Type: wire.Gap, Channel: "abc", Missed: 1, Seq: 1})
			hub.says(listed(hub.one(wire.Awaiting).Ref, "bob"), tooLate())
		}, map[string]error{"ada": context.Canceled, "bob": wire.ErrTooLate})
	})
}

// An answer that has expired before it is taken is lost.
func TestAnAnswerThatExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &answerQueue{limit: 1 << 10, changed: make(chan struct{}, 1)}
		q.add(Answer{From: "ada", Message: expiringMessage(1, time.Second)})
		q.add(Answer{From: "bob", Message: expiringMessage(2, time.Second+1)})
		time.Sleep(time.Second)
		given, _ := q.take()
		require.Equal(t, Answer{From: "ada", Lost: true}, given[0])
		require.False(t, given[1].Lost)
	})
}

// A gap of what has expired counts as arrived: it is confirmed, and not told twice.
func TestAGapHasANumber(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, inbox, hub := p.joins("abc", nil)
		hub.says(message("abc", 3), wire.Frame{Type: wire.Gap, Channel: "abc", Missed: 2, Seq: 5}, message("abc", 5),
			wire.Frame{Type: wire.Gap, Channel: "abc", Missed: 2, Seq: 5}, wire.Frame{Type: wire.Gap, Channel: "abc", Missed: 1}, message("abc", 6))
		require.Equal(t, []any{uint64(3), gap{2}, gap{1}, uint64(6)}, events(inbox))
		require.EqualValues(t, 6, m.Ticket().Last)
		hub.says(wire.Frame{Type: wire.Gap, Channel: "abc", Missed: 1, Seq: 7})
		hub.closes(transport.Idle)
		time.Sleep(time.Second)
		next := p.dialled()
		require.EqualValues(t, 7, next.one(wire.Resume).Last)
		require.Equal(t, gap{1}, events(inbox)[0])
		require.EqualValues(t, 7, m.Ticket().Last)
	})
}

// What has expired behind a change of an attribute that was replaced is not handed over either.
func TestInboxDropsWhatHasExpiredBehindWhatWasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20})
		newest := Attribute{From: "alice", Key: "slide", Seq: 4}
		for _, e := range []any{Attribute{From: "alice", Key: "slide", Seq: 1}, expiringMessage(2, time.Second), numberedMessage(3, 0), newest} {
			b.put(e)
		}
		time.Sleep(time.Second)
		require.Equal(t, []any{gap{1}, numberedMessage(3, 0), newest}, b.takeAll())
		require.Empty(t, b.expiring)
		require.Nil(t, b.changes.first())
	})
}
