package client

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// resumed is what has become of a resume by a ticket.
type resumed struct {
	m   *Membership
	err error
}

// resumes resumes ada's membership by a ticket, whose last is 7.
func (p *play) resumes(ctx context.Context, inbox inbox) <-chan resumed {
	done := make(chan resumed, 1)
	go func() {
		m, err := p.client.Enter(ctx, wire.Slave, wire.Frame{
			Type: wire.Resume, Channel: "abc", Username: "ada", Secret: "s", Epoch: 1, Last: 7,
		}, inbox)
		done <- resumed{m, err}
	}()
	return done
}

// asks answers a resume: what is asked again follows, or not, and the member's own attributes.
func asks(resume wire.Frame, more bool, own ...wire.KeyValue) wire.Frame {
	joined := scriptedHub{}.joined(resume)
	joined.Asks = more
	joined.SetAttributes(wire.Attributes(own).Sorted())
	return joined
}

func question(seq uint64) wire.Frame {
	frame := message("abc", seq)
	frame.Request = seq
	return frame
}

var asked = wire.Frame{Type: wire.Asked, Channel: "abc"}

func (m *Membership) open() (numbers []uint64) {
	for _, question := range m.OpenRequests() {
		numbers = append(numbers, question.Seq)
	}
	return numbers
}

// A resume by a ticket returns when all has come that is asked again; what comes then is an event.
func TestAResumeWaitsForWhatIsAskedAgain(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		inbox := anyInbox(QueueLimit{Messages: 100, Bytes: 1 << 20})
		done := p.resumes(t.Context(), inbox)
		hub := p.dialled()
		hub.says(asks(hub.one(wire.Resume), true), question(3))
		waits(t, done)
		hub.says(question(5))
		waits(t, done)
		hub.says(asked)
		r := <-done
		require.NoError(t, r.err)
		require.Equal(t, []uint64{3, 5}, r.m.open())
		hub.says(asked, question(8)) // the former changes nothing
		require.Equal(t, []any{uint64(8)}, events(inbox))
		require.Equal(t, []uint64{3, 5, 8}, r.m.open())
	})
}

// Where nothing is asked again, and at a hub of before, which does not say, it returns at once.
func TestAResumeWithoutWhatIsAskedAgain(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		done := p.resumes(t.Context(), nobody{})
		hub := p.dialled()
		hub.says(asks(hub.one(wire.Resume), false))
		r := <-done
		require.NoError(t, r.err)
		require.Empty(t, r.m.open())
	})
}

// Where the connection is lost before all has come, the resume goes on over the next one: until that has
// brought all, or the hub says that nothing is left.
func TestAResumeThatIsLostBeforeAllIsAskedAgain(t *testing.T) {
	for name, more := range map[string]bool{"asked again": true, "nothing is left": false} {
		t.Run(name, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				done := p.resumes(t.Context(), nobody{})
				hub := p.dialled()
				hub.says(asks(hub.one(wire.Resume), true), question(3))
				for range 2 {
					hub.closes(transport.ProtocolError)
					hub = p.moves()
					resume := hub.one(wire.Resume)
					require.EqualValues(t, 7, resume.Last)
					waits(t, done)
					if more {
						hub.says(asks(resume, true), question(3))
						waits(t, done)
					} else {
						hub.says(asks(resume, false))
						break
					}
				}
				if more {
					hub.says(question(5), asked)
				}
				r := <-done
				require.NoError(t, r.err)
				require.Equal(t, more, len(r.m.open()) == 2)
			})
		})
	}
}

// A resume that is given up meanwhile is undone: the membership is away then, and another call can
// resume it. So it is while it is on its way to another connection.
func TestAResumeThatIsGivenUpWhileItIsAskedAgain(t *testing.T) {
	for name, lost := range map[string]bool{"on its connection": false, "on the next one": true} {
		t.Run(name, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				ctx, giveUp := context.WithCancel(t.Context())
				done := p.resumes(ctx, nobody{})
				hub := p.dialled()
				hub.says(asks(hub.one(wire.Resume), true))
				if lost {
					hub.closes(transport.ProtocolError)
					hub = p.moves()
					hub.one(wire.Resume)
				}
				waits(t, done)
				giveUp()
				r := <-done
				require.ErrorIs(t, r.err, context.Canceled)
				require.Nil(t, r.m)
				again := p.resumes(t.Context(), nobody{})
				require.Equal(t, transport.Idle, hub.ended())
				hub = p.moves()
				hub.says(asks(hub.one(wire.Resume), false))
				require.NoError(t, (<-again).err)
			})
		})
	}
}

// What ends the membership ends the wait: the handle says why.
func TestAResumeThatEndsWhileItIsAskedAgain(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		done := p.resumes(t.Context(), nobody{})
		hub := p.dialled()
		hub.says(asks(hub.one(wire.Resume), true), question(3),
			wire.Frame{Type: wire.Closed, Channel: "abc", Code: string(wire.ErrKicked.Code)})
		r := <-done
		require.NoError(t, r.err)
		require.ErrorIs(t, r.m.Err(), wire.ErrKicked)

		detached := p.resumes(t.Context(), nobody{})
		hub.says(asks(hub.one(wire.Resume), true))
		waits(t, detached)
		tickets, err := p.client.Detach(t.Context())
		require.NoError(t, err)
		require.Len(t, tickets, 1)
		require.ErrorIs(t, (<-detached).m.Err(), ErrDetached)
	})
}

// The member's own attributes are those that the hub tells, where it tells them, and else those with which
// it has entered.
func TestOwnAttributesAreToldByTheHub(t *testing.T) {
	text := func(key, value string) wire.KeyValue {
		return wire.KeyValue{Key: key, Value: wire.Payload{Kind: wire.TextPayload, Data: []byte(value)}}
	}
	inPlay(t, nil, func(t *testing.T, p *play) {
		done := p.resumes(t.Context(), nobody{})
		hub := p.dialled()
		hub.says(asks(hub.one(wire.Resume), false, text("hand", "up"), text("at", "3")))
		r := <-done
		require.NoError(t, r.err)
		own := map[string]wire.Payload{"hand": text("", "up").Value, "at": text("", "3").Value}
		hub.says(message("abc", 8))
		require.Equal(t, own, r.m.Attributes(), "it is not in the read buffer")
		hub.closes(transport.ProtocolError)
		hub = p.moves()
		hub.says(asks(hub.one(wire.Resume), false))
		require.Equal(t, own, r.m.Attributes())
		hub.closes(transport.ProtocolError)
		hub = p.moves()
		hub.says(asks(hub.one(wire.Resume), false, text("at", "4")))
		require.Equal(t, map[string]wire.Payload{"at": text("", "4").Value}, r.m.Attributes())

		entered := make(chan resumed, 2)
		enter := func(channel string, own ...wire.KeyValue) *Membership {
			go func() {
				frame := wire.Frame{Type: wire.Join, Channel: channel, Username: "ada"}
				frame.SetAttributes(wire.Attributes{text("hand", "down")}.Sorted())
				m, err := p.client.Enter(t.Context(), wire.Slave, frame, nobody{})
				entered <- resumed{m, err}
			}()
			hub.says(asks(hub.one(wire.Join), false, own...))
			r := <-entered
			require.NoError(t, r.err)
			return r.m
		}
		require.Equal(t, map[string]wire.Payload{"hand": text("", "down").Value}, enter("new").Attributes())
		require.Equal(t, own, enter("taken over", text("hand", "up"), text("at", "3")).Attributes())
	})
}
