package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// What a hub that shuts down refuses has not happened: it is sent on the next connection, as it
// was and in the order of the calls, whether that is made before this one ends or afterwards.
func TestWhatIsRefusedByAHubThatShutsDownIsSentAgain(t *testing.T) {
	for what, moves := range map[string]bool{"moved": true, "connected again": false} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				m, _, old := p.joins("abc", nil)
				first := sends(t.Context(), m, "1")
				second := sends(t.Context(), m, "2")
				sent := old.of(wire.Send)
				require.Len(t, sent, 2)
				old.refuses(sent[0], wire.ErrShuttingDown)
				third := sends(t.Context(), m, "3")
				require.Empty(t, old.of(wire.Send), "it would be refused, or overtake the first")
				old.refuses(sent[1], wire.ErrShuttingDown)
				if moves {
					old.announces()
				} else {
					old.closes(transport.Shutdown)
				}
				next := p.moves()
				require.Empty(t, next.of(wire.Send))
				next.takesIn(next.one(wire.Resume))
				again := next.of(wire.Send)
				require.Len(t, again, 3)
				for i, frame := range again {
					require.Equal(t, string('1'+rune(i)), string(frame.Payload.Data))
					if i < 2 {
						require.Equal(t, sent[i].Ref, frame.Ref)
					}
					next.says(wire.Frame{Type: wire.Ack, Ref: frame.Ref, Seq: uint64(i + 1)})
				}
				for _, done := range []<-chan error{first, second, third} {
					require.NoError(t, <-done)
				}
			})
		})
	}
}

// The wait of a request that was refused so ends with its context, or with the membership, and it
// is known that it has not been carried out.
func TestTheWaitOfWhatIsRefused(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		ctx, cancel := context.WithCancel(t.Context())
		first := sends(ctx, m, "1")
		second := sends(t.Context(), m, "2")
		for _, frame := range old.of(wire.Send) {
			old.refuses(frame, wire.ErrShuttingDown)
		}
		cancel()
		require.Equal(t, context.Canceled, <-first)
		waits(t, second)
		old.says(wire.Frame{Type: wire.Closed, Channel: "abc", Code: string(wire.ErrKicked.Code), Reason: "out"})
		err := <-second
		require.ErrorIs(t, err, wire.ErrKicked)
		require.NotErrorIs(t, err, errSendUnknown)
	})
}

// One whose caller has given up before the refusal is dropped, but where an earlier connection may
// have carried it out.
func TestWhatIsRefusedAfterItsCallerHasGivenUp(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		ctx, cancel := context.WithCancel(t.Context())
		first := sends(ctx, m, "1")
		cancel()
		require.ErrorIs(t, <-first, errSendUnknown)
		old.refuses(old.one(wire.Send), wire.ErrShuttingDown)
		require.Empty(t, m.window)

		// One that was written on a connection that was lost stays unknown.
		old.conn.Cut()
		old = p.moves()
		old.takesIn(old.one(wire.Resume))
		ctx, cancel = context.WithCancel(t.Context())
		second := sends(ctx, m, "2")
		old.conn.Cut()
		next := p.moves()
		next.takesIn(next.one(wire.Resume))
		next.refuses(next.one(wire.Send), wire.ErrShuttingDown)
		cancel()
		require.ErrorIs(t, <-second, errSendUnknown)
	})
}

// A refused leave is told to the next hub, also after its caller has returned.
func TestALeaveThatIsRefused(t *testing.T) {
	for what, late := range map[string]bool{"in time": false, "late": true} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				m, _, old := p.joins("abc", nil)
				done := make(chan error, 1)
				go func() { done <- m.Close() }()
				synctest.Wait()
				old.refuses(old.one(wire.Leave), wire.ErrShuttingDown)
				if late {
					time.Sleep(time.Second)
					require.ErrorIs(t, <-done, context.DeadlineExceeded)
					require.Empty(t, old.of(wire.Leave))
				}
				old.says(wire.Frame{Type: wire.Shutdown})
				next := p.dialled()
				next.takesIn(next.one(wire.Resume))
				next.says(wire.Frame{Type: wire.Left, Ref: next.one(wire.Leave).Ref, Channel: "abc"})
				if !late {
					require.NoError(t, <-done)
				}
				require.ErrorIs(t, m.Err(), wire.ErrLeft)
				require.Equal(t, transport.Idle, old.ended())
			})
		})
	}
}

// joining joins in the background.
func (p *play) joining(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := p.client.Enter(ctx, wire.Slave, wire.Frame{Type: wire.Join, Channel: "new", Username: "ada"}, anyInbox(QueueLimit{Messages: 9, Bytes: 99}))
		done <- err
	}()
	synctest.Wait()
	return done
}

// A call that is refused because the hub shuts down is made on the next connection, however it
// comes about.
func TestCallsAtAShutdown(t *testing.T) {
	for what, shutdown := range map[string]func(p *play, old *peer, join wire.Frame){
		"refused": func(_ *play, old *peer, join wire.Frame) {
			old.refuses(join, wire.ErrShuttingDown)
			if old.isOpen() { // else there was nothing else on it
				old.announces()
			}
		},
		"refused afterwards": func(_ *play, old *peer, join wire.Frame) {
			old.announces()
			old.refuses(join, wire.ErrShuttingDown)
		},
		"closed": func(_ *play, old *peer, join wire.Frame) {
			old.closes(transport.Shutdown)
		},
		"closed, and dialling is refused": func(p *play, old *peer, join wire.Frame) {
			p.refuse(wire.ErrShuttingDown)
			old.closes(transport.Shutdown)
			time.Sleep(hubWait - time.Second)
			require.Greater(p.t, p.dials(), 100)
			p.refuse(nil)
		},
	} {
		for with, member := range map[string]bool{"with a membership": true, "alone": false} {
			t.Run(what+", "+with, func(t *testing.T) {
				inPlay(t, nil, func(t *testing.T, p *play) {
					var old *peer
					if member {
						_, _, old = p.joins("abc", nil)
					}
					done := p.joining(t.Context())
					if old == nil {
						old = p.dialled()
					}
					join := old.one(wire.Join)
					shutdown(p, old, join)
					waits(t, done)
					next := p.moves()
					for _, resume := range next.of(wire.Resume) {
						next.takesIn(resume)
					}
					again := next.one(wire.Join)
					require.Greater(t, again.Ref, join.Ref)
					next.takesIn(again)
					require.NoError(t, <-done)
					require.False(t, old.isOpen())
				})
			})
		}
	}
}

// A call waits while the hub that has refused it is there, though no other one can be reached
// yet. After that it fails as any other.
func TestACallThatWaitsForTheNextHub(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		_, _, old := p.joins("abc", nil)
		done := p.joining(t.Context())
		old.refuses(old.one(wire.Join), wire.ErrShuttingDown)
		down := errors.New("no route")
		p.refuse(down)
		old.announces()
		time.Sleep(time.Minute)
		waits(t, done)
		old.closes(transport.Shutdown)
		time.Sleep(time.Second)
		require.ErrorIs(t, <-done, down)
	})
}

// However many hubs close a connection because they shut down, it is not because of the call.
func TestACallOutlivesManyShutdowns(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		done := p.joining(t.Context())
		for range 2 * maxLosses {
			hub := p.moves()
			hub.one(wire.Join)
			hub.closes(transport.Shutdown)
		}
		hub := p.moves()
		hub.takesIn(hub.one(wire.Join))
		require.NoError(t, <-done)
	})
}

// Where it goes on for too long, a call ends with that, whatever says it.
func TestACallDoesNotWaitForEver(t *testing.T) {
	for what, shutdown := range map[string]func(p *play, hub *peer){
		"refused": func(_ *play, hub *peer) { hub.refuses(hub.one(wire.Join), wire.ErrShuttingDown) },
		"closed":  func(_ *play, hub *peer) { hub.closes(transport.Shutdown) },
		"not dialled": func(p *play, hub *peer) {
			p.refuse(wire.ErrShuttingDown)
			hub.closes(transport.Shutdown)
		},
	} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				done := p.joining(t.Context())
				began := time.Now()
				for len(done) == 0 {
					synctest.Wait()
					for len(p.conns) > 0 {
						shutdown(p, p.dialled())
					}
					time.Sleep(time.Second)
				}
				err := <-done
				var closed *transport.CloseError
				require.True(t, errors.As(err, &closed) || errors.Is(err, wire.ErrShuttingDown), "%v", err)
				require.InDelta(t, hubWait, time.Since(began), float64(3*time.Second))
			})
		})
	}
}

// A call whose answer is lost with the old connection is repeated on the new one.
func TestACallThatIsLostDuringAMove(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		_, _, old := p.joins("abc", nil)
		done := p.joining(t.Context())
		join := old.one(wire.Join)
		old.announces()
		next := p.moves()
		next.takesIn(next.one(wire.Resume))
		old.conn.Cut()
		again := next.one(wire.Join)
		require.Greater(t, again.Ref, join.Ref)
		next.takesIn(again)
		require.NoError(t, <-done)
	})
}

// A call that is to be answered on the old connection does not go along with the handshake of the
// new one.
func TestACallOfTheOldConnectionDoesNotGoAlong(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		first := &firstHub{p.scriptedHub, make(chan wire.Frame, 10), true}
		p.client.dialer = first
		done := p.joining(t.Context())
		join := <-first.along
		old := p.dialled()
		old.announces()
		next := p.moves()
		require.Empty(t, first.along)
		old.takesIn(join)
		require.NoError(t, <-done)
		next.takesIn(next.one(wire.Resume))
		require.Equal(t, transport.Idle, old.ended())
	})
}

// A send whose caller has given up is not sent again.
func TestAnAbandonedRequestDoesNotMove(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := sends(ctx, m, "x")
		cancel()
		require.ErrorIs(t, <-done, errSendUnknown)
		old.announces()
		next := p.moves()
		next.takesIn(next.one(wire.Resume))
		require.Empty(t, next.of(wire.Send))
		require.Empty(t, m.window)
	})
}

// What the old hub has carried out is on the connection to it, and moves then.
func TestACallThatIsAnsweredLate(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		_, _, old := p.joins("abc", nil)
		done := p.joining(t.Context())
		join := old.one(wire.Join)
		old.announces()
		next := p.moves()
		next.takesIn(next.one(wire.Resume))
		require.True(t, old.isOpen(), "a call is to be answered there")
		require.Empty(t, next.of(wire.Join))
		old.takesIn(join)
		require.NoError(t, <-done)
		resume := next.one(wire.Resume)
		require.Equal(t, "new", resume.Channel)
		require.True(t, old.isOpen())
		next.takesIn(resume)
		require.Equal(t, transport.Idle, old.ended())
	})
}

// A call whose caller has given up is not repeated where it was refused: there is nothing to undo.
func TestACallThatIsRefusedAfterItWasGivenUp(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		ctx, cancel := context.WithCancel(t.Context())
		done := p.joining(ctx)
		old := p.dialled()
		join := old.one(wire.Join)
		cancel()
		require.Equal(t, context.Canceled, <-done)
		old.refuses(join, wire.ErrShuttingDown)
		time.Sleep(time.Minute)
		p.notDialled()
	})
}

// A client in the hub's process knows that no other hub comes: it does not move, and its requests
// and calls fail at once.
func TestNothingIsRepeatedWhereNoOtherHubComes(t *testing.T) {
	over := func(o *Options) { o.HubIsOver = func() bool { return true } }
	inPlay(t, over, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		old.announces()
		time.Sleep(time.Minute)
		p.notDialled()
		sent := sends(t.Context(), m, "x")
		old.refuses(old.one(wire.Send), wire.ErrShuttingDown)
		require.ErrorIs(t, <-sent, wire.ErrShuttingDown)
		joined := p.joining(t.Context())
		old.refuses(old.one(wire.Join), wire.ErrShuttingDown)
		require.ErrorIs(t, <-joined, wire.ErrShuttingDown)
	})
}

// A switch that is under way keeps the membership where it is, until it is known what has come of
// it.
func TestASwitchAtAShutdown(t *testing.T) {
	for what, answered := range map[string]func(t *testing.T, old, next *peer, written wire.Frame) wire.Frame{
		"made": func(t *testing.T, old, next *peer, written wire.Frame) wire.Frame {
			old.takesIn(written)
			resume := next.one(wire.Resume)
			require.Equal(t, "to", resume.Channel)
			return resume
		},
		"refused": func(t *testing.T, old, next *peer, written wire.Frame) wire.Frame {
			old.refuses(written, wire.ErrShuttingDown)
			resume := next.one(wire.Resume)
			require.Equal(t, "from", resume.Channel)
			next.takesIn(resume)
			return next.one(wire.Join)
		},
		"lost": func(t *testing.T, old, next *peer, written wire.Frame) wire.Frame {
			old.closes(transport.Shutdown)
			require.Empty(t, next.of(wire.Resume))
			return next.one(wire.Join)
		},
	} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				m, _, old := p.joins("from", nil)
				inbox := anyInbox(QueueLimit{Messages: 9, Bytes: 99})
				switched := make(chan error, 1)
				go func() {
					_, err := m.Switch(t.Context(), Joining{Frame: wire.Frame{Type: wire.Join, Channel: "to", Username: "ada", From: "from"}}, inbox)
					switched <- err
				}()
				synctest.Wait()
				written := old.one(wire.Join)
				old.announces()
				next := p.moves()
				require.Empty(t, next.of(wire.Resume))
				last := answered(t, old, next, written)
				next.takesIn(last)
				require.NoError(t, <-switched)
				require.Empty(t, events(inbox))
				next.says(message("to", 1))
				require.Equal(t, []any{uint64(1)}, events(inbox))
				require.False(t, old.isOpen())
			})
		})
	}
}
