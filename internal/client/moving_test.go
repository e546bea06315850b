package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

var (
	away = wire.Frame{Type: wire.Presence, Role: wire.Master, Username: "alice", State: wire.StateAway, Timeout: 30_000, HasTimeout: true}
)

func in(channel string, frame wire.Frame) wire.Frame {
	frame.Channel = channel
	return frame
}

// A hub that shuts down is left before it closes the connection, and the user of the membership
// sees nothing of it: each message once, and no change of anybody's state.
func TestAMembershipMoves(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, inbox, old := p.joins("abc", nil)
		before := m.Master()
		old.says(message("abc", 1))
		old.announces()
		old.announces() // which changes nothing
		p.notDialled()
		next := p.moves()
		resume := next.one(wire.Resume)
		require.EqualValues(t, 1, resume.Last)

		// Until it is taken over, the old connection is the one that counts.
		old.says(message("abc", 2))
		next.takesIn(resume)
		require.Equal(t, transport.Idle, old.ended())
		next.says(message("abc", 2), message("abc", 3))
		require.Equal(t, []any{uint64(1), uint64(2), uint64(3)}, events(inbox))
		require.Equal(t, before, m.Master())

		done := sends(t.Context(), m, "x")
		next.says(wire.Frame{Type: wire.Ack, Ref: next.one(wire.Send).Ref, Seq: 1})
		require.NoError(t, <-done)
		p.notDialled()
	})
}

// What comes on the old connection after a membership has moved is not taken: its messages
// come on the new one, in order.
func TestWhatComesOnTheOldConnectionAfterwards(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, inbox, old := p.joins("abc", nil)
		_, _, _ = p.joins("def", old)
		done := sends(t.Context(), m, "x")
		sent := old.one(wire.Send)
		old.announces()
		next := p.moves()
		for _, resume := range next.of(wire.Resume) {
			if resume.Channel == "abc" {
				next.takesIn(resume)
			}
		}
		again := next.one(wire.Send)
		require.Equal(t, sent.Ref, again.Ref)
		require.True(t, old.isOpen(), "the other one is there")
		old.says(
			message("abc", 7), in("abc", away), wire.Frame{Type: wire.Gap, Channel: "abc", Missed: 3}, wire.Frame{Type: wire.Ack, Ref: sent.Ref, Seq: 99},
			wire.Frame{Type: wire.Closed, Channel: "abc", Code: string(wire.ErrReplaced.Code), Reason: "another connection"},
			wire.Frame{Type: wire.Error, Ref: sent.Ref, Channel: "abc", Code: string(wire.ErrShuttingDown.Code), Reason: "stops"},
		)
		waits(t, done)
		next.says(message("abc", 1), in("abc", away))
		require.NoError(t, m.Err())
		got := events(inbox)
		require.Len(t, got, 2)
		require.EqualValues(t, 1, got[0])
		require.Equal(t, wire.StateAway, got[1].(Presence).State, "a real change")
		next.refuses(again, wire.ErrBusy)
		require.ErrorIs(t, <-done, wire.ErrBusy)
	})
}

// The hub that is left may know that the new connection has taken the membership over. That is
// not its end.
func TestReplacedByItsOwnMove(t *testing.T) {
	for what, taken := range map[string]bool{"taken over": true, "refused": false} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				m, inbox, old := p.joins("abc", nil)
				old.announces()
				next := p.moves()
				resume := next.one(wire.Resume)
				old.says(wire.Frame{Type: wire.Closed, Channel: "abc", Code: string(wire.ErrReplaced.Code), Reason: "another connection"})
				old.closes(transport.Replaced)
				require.NoError(t, m.Err())
				require.Empty(t, events(inbox))
				if taken {
					next.takesIn(resume)
					require.Empty(t, events(inbox))
					require.NoError(t, m.Err())
					return
				}
				next.refuses(resume, wire.ErrResumeFailed)
				<-m.Done()
				require.ErrorIs(t, m.Err(), wire.ErrResumeFailed)
			})
		})
	}
}

// A master that is away on both hubs is not told to be so a second time. One that is back is.
func TestWhatTheMasterIsAfterAMove(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, inbox, old := p.joins("abc", nil)
		old.says(in("abc", away))
		require.Len(t, events(inbox), 1)
		before := m.Master()
		old.announces()
		next := p.moves()
		joined := next.joinedAway(next.one(wire.Resume))
		next.says(joined, in("abc", away))
		require.Empty(t, events(inbox))
		after := m.Master()
		require.Equal(t, before.Since, after.Since)
		require.True(t, after.Deadline.After(before.Deadline))
		next.says(in("abc", away)) // with another deadline
		require.Len(t, events(inbox), 1)

		next.announces()
		third := p.moves()
		third.takesIn(third.one(wire.Resume))
		got := events(inbox)
		require.Len(t, got, 1)
		require.Equal(t, wire.StateOnline, got[0].(Presence).State)

		third.announces()
		fourth := p.moves()
		fourth.says(fourth.joinedAway(fourth.one(wire.Resume)), in("abc", away))
		got = events(inbox)
		require.Len(t, got, 1)
		require.Equal(t, wire.StateAway, got[0].(Presence).State)
		require.NotZero(t, m.Master().Deadline)
	})
}

func (p *peer) joinedAway(resume wire.Frame) wire.Frame {
	joined := scriptedHub{}.joined(resume)
	joined.Master.State = wire.StateAway
	return joined
}

// Where the old connection ends before there is another one, the attempt that is under way is
// the one that counts, and there is no second one.
func TestTheOldConnectionEndsWhileDialling(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, inbox, old := p.joins("abc", nil)
		p.hang = make(chan struct{})
		old.announces()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, p.dials())
		old.closes(transport.Shutdown)
		require.Len(t, events(inbox), 1, "nothing is known of the others")
		time.Sleep(5 * time.Second)
		require.Equal(t, 2, p.dials())
		close(p.hang)
		next := p.dialled()
		next.takesIn(next.one(wire.Resume))
		require.Len(t, events(inbox), 1)
		require.Equal(t, wire.StateOnline, m.Master().State)
		require.Equal(t, 2, p.dials())
	})
}

// Where the old connection ends while the membership is being asked for on the new one, the user
// is told only if it does not get there.
func TestTheOldConnectionEndsInTheMiddle(t *testing.T) {
	for what, goOn := range map[string]func(t *testing.T, p *play, m *Membership, inbox *Inbox[any], next *peer, resume wire.Frame){
		"taken over": func(t *testing.T, p *play, m *Membership, inbox *Inbox[any], next *peer, resume wire.Frame) {
			next.takesIn(resume)
			require.Empty(t, events(inbox))
			next.says(in("abc", away))
			require.Len(t, events(inbox), 1)
		},
		"not now": func(t *testing.T, p *play, m *Membership, inbox *Inbox[any], next *peer, resume wire.Frame) {
			lost := time.Now()
			time.Sleep(3 * time.Second)
			next.refuses(resume, wire.ErrBusy)
			got := events(inbox)
			require.Len(t, got, 1)
			require.Equal(t, lost.Add(30*time.Second), got[0].(Presence).Deadline)
			require.Zero(t, m.Master().State)
			third := p.moves()
			third.takesIn(third.one(wire.Resume))
			require.Len(t, events(inbox), 1)
		},
		"lost too": func(t *testing.T, p *play, m *Membership, inbox *Inbox[any], next *peer, resume wire.Frame) {
			next.conn.Cut()
			require.Len(t, events(inbox), 1)
			third := p.moves()
			third.takesIn(third.one(wire.Resume))
			require.Len(t, events(inbox), 1)
		},
		"no answer": func(t *testing.T, p *play, m *Membership, inbox *Inbox[any], next *peer, resume wire.Frame) {
			time.Sleep(30 * time.Second)
			synctest.Wait()
			require.ErrorIs(t, m.Err(), wire.ErrMasterDown)
		},
	} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				m, inbox, old := p.joins("abc", nil)
				old.announces()
				next := p.moves()
				resume := next.one(wire.Resume)
				old.closes(transport.Shutdown)
				require.Empty(t, events(inbox))
				goOn(t, p, m, inbox, next, resume)
			})
		})
	}
}

// Where the new connection ends, or refuses everything, the membership stays where it is, and
// moving is tried again.
func TestTheNewConnectionEndsInTheMiddle(t *testing.T) {
	for what, end := range map[string]func(next *peer, resume wire.Frame){
		"lost":          func(next *peer, _ wire.Frame) { next.conn.Cut() },
		"shutdown":      func(next *peer, _ wire.Frame) { next.closes(transport.Shutdown) },
		"final":         func(next *peer, _ wire.Frame) { next.closes(transport.MasterDown) },
		"shutting down": func(next *peer, resume wire.Frame) { next.refuses(resume, wire.ErrShuttingDown) },
		"busy":          func(next *peer, resume wire.Frame) { next.refuses(resume, wire.ErrBusy) },
		"resume failed": func(next *peer, resume wire.Frame) { next.refuses(resume, wire.ErrResumeFailed) },
		"hub lost":      func(next *peer, resume wire.Frame) { next.refuses(resume, wire.ErrHubLost) },
	} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				m, inbox, old := p.joins("abc", nil)
				old.announces()
				next := p.moves()
				end(next, next.one(wire.Resume))
				require.False(t, next.isOpen())
				old.says(message("abc", 1))
				done := sends(t.Context(), m, "x")
				old.says(wire.Frame{Type: wire.Ack, Ref: old.one(wire.Send).Ref, Seq: 1})
				require.NoError(t, <-done)
				next = p.moves()
				resume := next.one(wire.Resume)
				require.EqualValues(t, 1, resume.Last)
				next.takesIn(resume)
				require.Equal(t, transport.Idle, old.ended())
				require.Equal(t, []any{uint64(1)}, events(inbox))
			})
		})
	}
	t.Run("cannot be dialled", func(t *testing.T) {
		inPlay(t, nil, func(t *testing.T, p *play) {
			_, inbox, old := p.joins("abc", nil)
			p.refuse(errors.New("no route"))
			old.announces()
			time.Sleep(10 * time.Second)
			require.Less(t, p.dials(), 100)
			require.Greater(t, p.dials(), 2)
			p.refuse(nil)
			next := p.moves()
			next.takesIn(next.one(wire.Resume))
			require.Equal(t, transport.Idle, old.ended())
			require.Empty(t, events(inbox))
		})
	})
}

// Where one of two memberships is refused, the other one has moved, and this one stays until its
// connection ends. Then it is resumed on the new one.
func TestOneOfTwoMemberships(t *testing.T) {
	for what, refused := range map[string]*wire.Cause{"": nil, "for good": wire.ErrHubLost} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				moved, _, old := p.joins("abc", nil)
				stays, inbox, _ := p.joins("def", old)
				old.announces()
				next := p.moves()
				resumes := next.of(wire.Resume)
				if resumes[0].Channel == "abc" {
					slices.Reverse(resumes)
				}
				next.refuses(resumes[0], wire.ErrResumeFailed)
				next.takesIn(resumes[1])
				require.True(t, old.isOpen())
				require.True(t, next.isOpen())
				done := sends(t.Context(), stays, "x")
				old.says(wire.Frame{Type: wire.Ack, Ref: old.one(wire.Send).Ref, Seq: 1})
				require.NoError(t, <-done)
				sends(t.Context(), moved, "x")
				next.one(wire.Send)
				require.Empty(t, next.of(wire.Resume))

				old.closes(transport.Shutdown)
				resume := next.one(wire.Resume)
				require.Equal(t, "def", resume.Channel)
				if refused != nil {
					next.refuses(resume, refused)
					require.ErrorIs(t, stays.Err(), refused)
				} else {
					next.takesIn(resume)
					require.NoError(t, stays.Err())
				}
				require.NoError(t, moved.Err())
				require.Empty(t, events(inbox))
				p.notDialled()
			})
		})
	}
}

// Where the next hub shuts down before all have moved to it, they go on to a third one when the
// first connection has ended.
func TestTheNextHubShutsDownToo(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		_, inbox, old := p.joins("abc", nil)
		_, _, _ = p.joins("def", old)
		old.announces()
		next := p.moves()
		for _, resume := range next.of(wire.Resume) {
			if resume.Channel == "abc" {
				next.takesIn(resume)
			} else {
				next.refuses(resume, wire.ErrBusy)
			}
		}
		next.announces()
		time.Sleep(time.Minute)
		p.notDialled()
		old.closes(transport.Shutdown)
		next.takesIn(next.one(wire.Resume))
		third := p.moves()
		for _, resume := range third.of(wire.Resume) {
			third.takesIn(resume)
		}
		require.Equal(t, transport.Idle, next.ended())
		require.Empty(t, events(inbox))
	})
}

// A dialer that says while the memberships move that it never connects again ends them when their
// connection has ended, and what waits for another one at once.
func TestADialerThatIsOverDuringAMove(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		refused := p.joining(t.Context())
		old.refuses(old.one(wire.Join), wire.ErrShuttingDown)
		asked := make(chan error, 1)
		go func() {
			_, _, err := p.client.Status(t.Context(), "abc")
			asked <- err
		}()
		status := old.one(wire.Status)
		p.refuse(net.ErrClosed)
		old.announces()
		time.Sleep(time.Minute)
		require.ErrorIs(t, <-refused, net.ErrClosed)
		require.NoError(t, m.Err())
		old.says(wire.Frame{Type: wire.Status, Ref: status.Ref, Channel: "abc"})
		require.NoError(t, <-asked)
		old.closes(transport.Shutdown)
		time.Sleep(time.Second)
		<-m.Done()
		require.ErrorIs(t, m.Err(), wire.ErrShutdown)
	})
}

// A hub that shuts down as soon as it is connected to, again and again, gets neither many
// connections nor many attempts.
func TestHubsThatAllShutDown(t *testing.T) {
	for what, ends := range map[string]bool{"and close": true, "and do not close": false} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				_, inbox, hub := p.joins("abc", nil)
				open := []*peer{hub}
				began := time.Now()
				for time.Since(began) < 5*time.Second {
					hub.says(wire.Frame{Type: wire.Shutdown})
					for time.Sleep(time.Millisecond); len(p.conns) == 0 && time.Since(began) < 5*time.Second; time.Sleep(time.Millisecond) {
					}
					if len(p.conns) == 0 {
						break
					}
					hub = p.dialled()
					for _, resume := range hub.of(wire.Resume) {
						if ends {
							hub.takesIn(resume)
						}
					}
					still := open[:0]
					for _, other := range append(open, hub) {
						if other.isOpen() {
							still = append(still, other)
						}
					}
					open = still
					require.LessOrEqual(t, len(open), 2)
				}
				require.Less(t, p.dials(), 1000)
				require.Empty(t, events(inbox))
			})
		})
	}
}

// A master that moves is told what has changed among its slaves, and nothing else.
func TestAMasterMoves(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, inbox, old := p.creates("ada", "bob")
		old.says(wire.Frame{Type: wire.Presence, Channel: "abc", Role: wire.Slave, Username: "bob", State: wire.StateAway})
		require.Len(t, events(inbox), 3)
		old.announces()
		next := p.moves()
		created := mastersAnswer(next.one(wire.Resume), "ada", "bob", "eve")
		created.Members[1].State = wire.StateAway
		next.says(created)
		got := events(inbox)
		require.Len(t, got, 1)
		require.Equal(t, "eve", got[0].(Presence).Username)
		require.Len(t, m.Slaves(), 3)
		require.Equal(t, transport.Idle, old.ended())

		next.announces()
		third := p.moves()
		created = mastersAnswer(third.one(wire.Resume), "ada")
		created.Gap = true
		third.says(created)
		got = events(inbox)
		require.Len(t, got, 3)
		require.Equal(t, gap{}, got[0])
		for i, name := range []string{"bob", "eve"} {
			require.Equal(t, name, got[i+1].(Presence).Username)
			require.Equal(t, wire.StateLeft, got[i+1].(Presence).State)
		}
	})
}

// A membership moves with a fresh token, as after any loss. Where there is none at present, it
// stays, and moves later.
func TestAMoveShowsAFreshToken(t *testing.T) {
	count := 0
	tokens := func(o *Options) {
		o.Token = func(context.Context, wire.Type, string, string) (string, error) {
			if count++; count == 2 {
				return "", errors.New("not now")
			}
			return fmt.Sprint("token ", count), nil
		}
	}
	inPlay(t, tokens, func(t *testing.T, p *play) {
		_, inbox, old := p.joins("abc", nil)
		old.announces()
		time.Sleep(time.Second)
		next := p.moves()
		resume := next.one(wire.Resume)
		require.Equal(t, "token 3", resume.Token)
		next.takesIn(resume)
		require.Equal(t, transport.Idle, old.ended())
		require.Empty(t, events(inbox))
	})
}
