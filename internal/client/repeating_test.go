package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// scriptedHub is a dialer whose connections lead to the test, which plays the hub.
type scriptedHub struct {
	t     *testing.T
	conns chan *memory.Conn
}

func (h scriptedHub) Dial(context.Context) (transport.Conn, error) {
	mine, hubs := memory.Pipe(memory.Options{})
	h.conns <- hubs
	return mine, nil
}

// reads returns the next frame of that type, and passes over others.
func (h scriptedHub) reads(conn *memory.Conn, t wire.Type) wire.Frame {
	h.t.Helper()
	for {
		data, err := conn.Read()
		require.NoError(h.t, err, "instead of %v", t)
		frame, err := wire.Decode(data)
		require.NoError(h.t, err)
		require.False(h.t, t == wire.Join && frame.Type == wire.Resume, "a resume before the switch that is repeated")
		if frame.Type == t {
			return frame
		}
	}
}

func (h scriptedHub) answers(conn *memory.Conn, frame wire.Frame) {
	h.t.Helper()
	require.NoError(h.t, conn.Write(wire.Append(nil, wire.Binary, &frame)))
}

// switching is a client whose switch was written, and whose connection is lost then. It
// returns the switch as it was written, and the next connection.
func switching(t *testing.T) (h scriptedHub, written wire.Frame, next *memory.Conn, switched <-chan error) {
	h = scriptedHub{t, make(chan *memory.Conn, 10)}
	tokens := 0
	c := New(h, Options{
		PublicError: func(why *wire.Cause) error { return why }, CloseTimeout: time.Second, DialTimeout: time.Second,
		Logger: slog.New(slog.DiscardHandler),
		Token: func(context.Context, wire.Type, string, string) (string, error) {
			tokens++
			return fmt.Sprint("token ", tokens), nil
		},
	})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	entered := make(chan *Membership, 1)
	go func() {
		m, err := c.Enter(t.Context(), wire.Slave, wire.Frame{Type: wire.Join, Channel: "from", Username: "ada"}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
		require.NoError(t, err)
		entered <- m
	}()
	conn := <-h.conns
	h.answers(conn, h.joined(h.reads(conn, wire.Join)))
	m := <-entered
	done := make(chan error, 1)
	go func() {
		_, err := m.Switch(t.Context(), Joining{Frame: wire.Frame{Type: wire.Join, Channel: "to", Username: "ada", From: "from"}}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
		done <- err
	}()
	written = h.reads(conn, wire.Join)
	conn.Cut()
	return h, written, <-h.conns, done
}

func (h scriptedHub) joined(join wire.Frame) wire.Frame {
	return wire.Frame{
		Type: wire.Joined, Ref: join.Ref, Channel: join.Channel, Username: join.Username, Secret: "secret", Epoch: 1,
		Master: wire.Member{Username: "alice", State: wire.StateOnline}, MasterTimeout: 30_000, HasMasterTimeout: true,
	}
}

// Who is put out of a channel while it switches to another one, and is let in there all the same, leaves that: its handle is over.
func TestASwitchWhoseFormerMembershipHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, next, switched := switching(t)
		repeated := h.reads(next, wire.Join)
		h.answers(next, wire.Frame{Type: wire.Error, Ref: repeated.Ref, Channel: "to", Code: string(wire.ErrNotAMember.Code), Reason: "not yet"})
		resume := h.reads(next, wire.Resume)
		h.answers(next, h.joined(resume))
		again := h.reads(next, wire.Join)
		h.answers(next, wire.Frame{Type: wire.Closed, Channel: "from", Code: string(wire.ErrKicked.Code), Reason: "enough"})
		require.Error(t, <-switched)
		h.answers(next, h.joined(again))
		require.Equal(t, "to", h.reads(next, wire.Leave).Channel)
	})
}

// A switch that is repeated on another connection shows a fresh token, as a join does: the
// one before may be good only once, or no longer.
func TestARepeatedSwitchShowsAFreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, written, next, switched := switching(t)
		repeated := h.reads(next, wire.Join)
		require.Greater(t, repeated.Ref, written.Ref)
		require.NotEmpty(t, repeated.Token)
		require.NotEqual(t, written.Token, repeated.Token)
		h.answers(next, h.joined(repeated))
		require.NoError(t, <-switched)
	})
}

// A hub that cannot say at present whether it lets the client in has not refused the switch,
// which may have been carried out already: it is repeated once more.
func TestARepeatedSwitchThatIsRefusedForTheMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, next, switched := switching(t)
		repeated := h.reads(next, wire.Join)
		h.answers(next, wire.Frame{Type: wire.Error, Ref: repeated.Ref, Channel: "to", Code: string(wire.ErrBusy.Code), Reason: "later"})
		again := <-h.conns
		h.answers(again, h.joined(h.reads(again, wire.Join)))
		require.NoError(t, <-switched)
	})
}

// A hub can read a switch from the connection that was lost behind the one that repeats it, and carry
// it out before the resume: then it is repeated once more.
func TestASwitchThatIsCarriedOutBehindItsRepetition(t *testing.T) {
	for _, known := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h, _, next, switched := switching(t)
			refuses := func(of wire.Type, why *wire.Cause) {
				frame := h.reads(next, of)
				h.answers(next, wire.Frame{Type: wire.Error, Ref: frame.Ref, Channel: "to", Code: string(why.Code), Reason: "no"})
			}
			refuses(wire.Join, wire.ErrNotAMember)
			refuses(wire.Resume, wire.ErrResumeFailed)
			if known {
				h.answers(next, h.joined(h.reads(next, wire.Join)))
				require.NoError(t, <-switched)
				return
			}
			refuses(wire.Join, wire.ErrNotAMember)
			refuses(wire.Resume, wire.ErrResumeFailed)
			require.ErrorIs(t, <-switched, wire.ErrResumeFailed, "no more than once")
		})
	}
}

// Where a request was accepted on a connection that was lost, and the hub does not tell any
// more who was asked, the caller gets an error, and not the silence of an empty channel.
func TestAnInquiryOfWhichNobodyKnowsWhoWasAsked(t *testing.T) {
	c := New(nowhere{t}, Options{PublicError: func(why *wire.Cause) error { return why }})
	defer c.Close()
	m := newMembership(c, wire.Master, "abc123", anyInbox(QueueLimit{Messages: 10, Bytes: 1 << 10}))
	q := &inquiry{}
	q.answers.changed = make(chan struct{}, 1)
	m.onAccepted(q, 7, true)
	require.True(t, m.onVerified(&wire.Frame{Type: wire.Error, Ref: q.verifying, Channel: "abc123", Code: string(wire.ErrNotAMember.Code), Reason: "gone"}))
	given, last := q.answers.take()
	require.True(t, last)
	require.Len(t, given, 1)
	require.Empty(t, given[0].From)
	require.ErrorIs(t, given[0].Err, wire.ErrNotAMember)
}

// firstHub is a scriptedHub that also gets what comes with a handshake.
type firstHub struct {
	scriptedHub
	along chan wire.Frame
	takes bool
}

func (h *firstHub) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	frame, err := wire.Decode(message)
	require.NoError(h.t, err)
	h.along <- frame
	conn, err := h.Dial(ctx)
	return conn, h.takes, err
}

// A call that is repeated is a later one, also where it goes along with the handshake of the
// next connection: with the ref of before, the hub would take it for one that was overtaken.
// On one connection it keeps its ref.
func TestARepeatedCallWithAHandshakeIsALaterOne(t *testing.T) {
	for what, taken := range map[string]bool{"taken": true, "not taken": false} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &firstHub{scriptedHub{t, make(chan *memory.Conn, 10)}, make(chan wire.Frame, 10), true}
				c := New(h, Options{
					PublicError: func(why *wire.Cause) error { return why }, DialTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
				})
				defer func() { require.NoError(t, c.Close()) }()
				joined := make(chan error, 1)
				go func() {
					_, err := c.Enter(t.Context(), wire.Slave, wire.Frame{Type: wire.Join, Channel: "abc123", Username: "ada"}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
					joined <- err
				}()
				first := <-h.along
				conn := <-h.conns
				synctest.Wait()
				h.takes = taken
				conn.Cut()
				again := <-h.along
				require.Greater(t, again.Ref, first.Ref)
				conn = <-h.conns
				if !taken {
					require.Equal(t, again.Ref, h.reads(conn, wire.Join).Ref)
				}
				h.answers(conn, h.joined(again))
				require.NoError(t, <-joined)
			})
		})
	}
}

// A connection that the hub closes because what a master was granted has expired takes other
// calls along: they are asked again, as where the connection was lost. So is a join that waits to be let in,
// whatever its connection is closed for, such as that another client has another membership of it.
func TestACallIsRepeatedWhenAnotherMembershipCostsTheConnection(t *testing.T) {
	for code, waits := range map[transport.CloseCode]bool{
		transport.Unauthorized: false, transport.Replaced: true, transport.Slow: true, transport.Idle: true, transport.RateLimited: true,
	} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := scriptedHub{t, make(chan *memory.Conn, 10)}
				c := New(h, Options{
					PublicError: func(why *wire.Cause) error { return why }, DialTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
				})
				defer func() { require.NoError(t, c.Close()) }()
				joined := make(chan error, 1)
				go func() {
					_, err := c.Enter(t.Context(), wire.Slave, wire.Frame{Type: wire.Join, Channel: "abc123", Username: "ada"}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
					joined <- err
				}()
				conn := <-h.conns
				first := h.reads(conn, wire.Join)
				if waits {
					waiting := wire.Frame{Type: wire.Waiting, Ref: first.Ref, Channel: "abc123"}
					waiting.NeedEntering().For = wire.ForMaster
					h.answers(conn, waiting)
				}
				require.NoError(t, conn.Close(transport.Reason{Code: code, Text: "because of a membership"}))
				select {
				case conn = <-h.conns:
				case err := <-joined:
					require.Fail(t, "it is not asked again", "%v", err)
				}
				again := h.reads(conn, wire.Join)
				require.Greater(t, again.Ref, first.Ref)
				h.answers(conn, h.joined(again))
				require.NoError(t, <-joined)
			})
		})
	}
}

// A client that closes its connections itself, since one of its memberships cannot be resumed yet, does not
// give up a call because of that.
func TestACallOutlastsConnectionsThatAreNotLostBecauseOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := scriptedHub{t, make(chan *memory.Conn, 10)}
		c := New(h, Options{
			PublicError: func(why *wire.Cause) error { return why }, DialTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		defer func() { require.NoError(t, c.Close()) }()
		results := map[string]chan error{"held": make(chan error, 1), "asked": make(chan error, 1)}
		enters := func(channel string) {
			_, err := c.Enter(t.Context(), wire.Slave, wire.Frame{Type: wire.Join, Channel: channel, Username: "ada"}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
			results[channel] <- err
		}
		go enters("held")
		conn := <-h.conns
		h.answers(conn, h.joined(h.reads(conn, wire.Join)))
		require.NoError(t, <-results["held"])
		go enters("asked")
		h.reads(conn, wire.Join)
		conn.Cut()
		for range 2 * maxLosses {
			conn = <-h.conns
			resume := h.reads(conn, wire.Resume)
			h.reads(conn, wire.Join)
			h.answers(conn, wire.Frame{Type: wire.Error, Ref: resume.Ref, Channel: "held", Code: string(wire.ErrBusy.Code), Reason: "later"})
			synctest.Wait()
			require.Empty(t, results["asked"])
		}
		conn = <-h.conns
		resumed := h.reads(conn, wire.Resume)
		h.answers(conn, h.joined(resumed))
		h.answers(conn, h.joined(h.reads(conn, wire.Join)))
		require.NoError(t, <-results["asked"])
	})
}

// Of two hand-overs that were under way when the connection was lost, the hub may have refused the first
// one, and carried out the second: both are repeated, and each caller gets its own answer.
func TestOfTwoHandOversTheSecondIsCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := scriptedHub{t, make(chan *memory.Conn, 10)}
		c := New(h, Options{
			PublicError: func(why *wire.Cause) error { return why }, CloseTimeout: time.Second, DialTimeout: time.Second,
			ErrSendUnknown: errors.New("unknown"), Logger: slog.New(slog.DiscardHandler),
		})
		defer c.Close()
		entered := make(chan *Membership, 1)
		go func() {
			m, err := c.Enter(t.Context(), wire.Master, wire.Frame{Type: wire.Create, Channel: "abc123", Username: "ada"}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
			require.NoError(t, err)
			entered <- m
		}()
		conn := <-h.conns
		h.answers(conn, mastersAnswer(h.reads(conn, wire.Create)))
		m := <-entered
		results := map[string]chan error{"one": make(chan error, 1), "two": make(chan error, 1)}
		for _, to := range []string{"one", "two"} {
			go func() {
				_, err := m.HandOver(t.Context(), to, true)
				results[to] <- err
			}()
			require.Equal(t, to, h.reads(conn, wire.HandOver).To)
		}
		conn.Cut()
		next := <-h.conns
		refuses := func(of wire.Type, to string, why *wire.Cause) {
			frame := h.reads(next, of)
			require.Equal(t, to, frame.To)
			h.answers(next, wire.Frame{Type: wire.Error, Ref: frame.Ref, Channel: "abc123", Code: string(why.Code), Reason: "no"})
		}
		for range 2 {
			refuses(wire.HandOver, "one", wire.ErrNotAMember)
			refuses(wire.Resume, "", wire.ErrResumeFailed)
		}
		again := h.reads(next, wire.HandOver)
		require.Equal(t, "two", again.To)
		joined := h.joined(wire.Frame{Channel: "abc123", Username: "ada"})
		joined.Epoch = 2
		h.answers(next, joined)
		h.answers(next, wire.Frame{Type: wire.Ack, Ref: again.Ref})
		require.NoError(t, <-results["two"])
		require.ErrorIs(t, <-results["one"], wire.ErrRoleChanged)
	})
}
