package client

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// A client that is closed or detached while its memberships move ends, wherever it has come to.
func TestTheEndOfAClientThatMoves(t *testing.T) {
	for what, goOn := range map[string]func(p *play, old *peer) (next *peer){
		"waits": func(p *play, old *peer) *peer {
			old.announces()
			return nil
		},
		"dials": func(p *play, old *peer) *peer {
			p.hang = make(chan struct{})
			old.announces()
			time.Sleep(time.Second)
			return nil
		},
		"resumes": func(p *play, old *peer) *peer {
			old.announces()
			next := p.moves()
			next.one(wire.Resume)
			return next
		},
	} {
		for how, end := range map[string]func(c *Client) transport.CloseCode{
			"closed": func(c *Client) transport.CloseCode {
				require.NoError(t, c.Close())
				return transport.Left
			},
			"detached": func(c *Client) transport.CloseCode {
				tickets, err := c.Detach(context.Background())
				require.NoError(t, err)
				require.Len(t, tickets, 1)
				require.Equal(t, "secret", tickets[0].Resume.Secret)
				return transport.Idle
			},
		} {
			t.Run(what+", "+how, func(t *testing.T) {
				inPlay(t, nil, func(t *testing.T, p *play) {
					_, _, old := p.joins("abc", nil)
					next := goOn(p, old)
					code := end(p.client)
					require.Equal(t, code, old.ended())
					if next != nil {
						require.Equal(t, code, next.ended())
					}
				})
			})
		}
	}
}

// What Detach waits for may be answered by the next hub only.
func TestDetachWaitsForWhatMoves(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, old := p.joins("abc", nil)
		sent := sends(t.Context(), m, "x")
		old.refuses(old.one(wire.Send), wire.ErrShuttingDown)
		old.announces()
		detached := make(chan error, 1)
		go func() {
			_, err := p.client.Detach(t.Context())
			detached <- err
		}()
		next := p.moves()
		next.takesIn(next.one(wire.Resume))
		waits(t, detached)
		next.says(wire.Frame{Type: wire.Ack, Ref: next.one(wire.Send).Ref, Seq: 1})
		require.NoError(t, <-sent)
		require.NoError(t, <-detached)
	})
}

// asked is a master that has asked ada and bob, and the answers as they come.
func (p *play) asks() (given <-chan Answer, hub *peer, asked wire.Frame) {
	p.t.Helper()
	m, _, hub := p.creates("ada", "bob")
	answers := make(chan Answer, 10)
	go func() {
		defer close(answers)
		for answer := range m.Gather(p.t.Context(), wire.Frame{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte("who?")}}, Gathering{}) {
			answers <- answer
		}
	}()
	synctest.Wait()
	return answers, hub, hub.one(wire.Send)
}

func answer(from string, seq, to uint64) wire.Frame {
	return wire.Frame{Type: wire.Message, Channel: "abc", From: from, Seq: seq, Reply: to, Payload: wire.Payload{Kind: wire.TextPayload}}
}

func listed(ref uint64, names ...string) wire.Frame {
	list := wire.Frame{Type: wire.Awaiting, Ref: ref, Channel: "abc", Request: 7, HasMembers: true}
	for _, name := range names {
		list.Members = append(list.Members, wire.Member{Username: name, State: wire.StateOnline, Number: map[string]uint64{"ada": 1, "bob": 2}[name]})
	}
	return list
}

// Where the channel moves to another hub, an answer may be there before the ack that gives the request its number.
func TestAnAnswerBeforeTheAck(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		given, hub, asked := p.asks()
		hub.says(answer("ada", 1, 7), answer("ada", 2, 6))
		synctest.Wait()
		hub.says(wire.Frame{Type: wire.Ack, Ref: asked.Ref, Seq: 7}, answer("bob", 3, 7))
		for _, name := range []string{"ada", "bob"} {
			answer := <-given
			require.Equal(t, name, answer.From)
			require.NoError(t, answer.Err)
			require.False(t, answer.Lost)
			require.EqualValues(t, 7, answer.Message.ReplyTo)
		}
		_, more := <-given
		require.False(t, more)
	})
}

// A request to all that is open while the master moves gets one part of each: from the old hub,
// from the new one, or both.
func TestOpenRequestsMove(t *testing.T) {
	for what, goOn := range map[string]func(t *testing.T, p *play, old *peer, asked wire.Frame){
		"asked before": func(t *testing.T, p *play, old *peer, asked wire.Frame) {
			old.says(wire.Frame{Type: wire.Ack, Ref: asked.Ref, Seq: 7}, answer("ada", 1, 7))
			old.announces()
			next := p.moves()
			next.takesMaster(next.one(wire.Resume), "ada", "bob")
			require.Empty(t, next.of(wire.Send))
			awaiting := next.one(wire.Awaiting)
			require.EqualValues(t, 7, awaiting.Request)
			next.says(listed(awaiting.Ref, "bob"), answer("bob", 2, 7))
		},
		"answered on both": func(t *testing.T, p *play, old *peer, asked wire.Frame) {
			old.says(wire.Frame{Type: wire.Ack, Ref: asked.Ref, Seq: 7})
			old.announces()
			next := p.moves()
			resume := next.one(wire.Resume)
			old.says(answer("ada", 1, 7))
			next.takesMaster(resume, "ada", "bob")
			next.says(answer("ada", 1, 7), listed(next.one(wire.Awaiting).Ref, "bob"), answer("bob", 2, 7))
		},
		"not answered": func(t *testing.T, p *play, old *peer, asked wire.Frame) {
			old.announces()
			next := p.moves()
			next.takesMaster(next.one(wire.Resume), "ada", "bob")
			again := next.one(wire.Send)
			require.Equal(t, asked.Ref, again.Ref)
			old.conn.Cut()
			next.says(answer("ada", 1, 7), wire.Frame{Type: wire.Ack, Ref: again.Ref, Seq: 7})
			next.says(listed(next.one(wire.Awaiting).Ref, "bob"), answer("bob", 2, 7))
		},
		"refused": func(t *testing.T, p *play, old *peer, asked wire.Frame) {
			old.refuses(asked, wire.ErrShuttingDown)
			old.announces()
			next := p.moves()
			next.takesMaster(next.one(wire.Resume), "ada", "bob")
			next.says(wire.Frame{Type: wire.Ack, Ref: next.one(wire.Send).Ref, Seq: 7}, answer("bob", 1, 7), answer("ada", 2, 7))
			require.Empty(t, next.of(wire.Awaiting), "it was asked now")
		},
	} {
		t.Run(what, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				given, old, asked := p.asks()
				goOn(t, p, old, asked)
				parts := make(map[string]bool)
				for answer := range given {
					require.NoError(t, answer.Err)
					require.False(t, answer.Lost)
					require.False(t, parts[answer.From])
					parts[answer.From] = true
				}
				require.Len(t, parts, 2)
			})
		})
	}
}

// A membership that is entered on the old connection late has its ticket stored before it moves,
// so that the newer one is stored last.
func TestATicketOfTheOldConnectionIsStoredFirst(t *testing.T) {
	var mu sync.Mutex
	var stored []uint64
	var hold chan struct{}
	storing := func(o *Options) {
		o.StoreTicket = func(ticket wire.Frame, _ wire.Role) {
			if ticket.Channel != "new" {
				return
			}
			<-hold
			mu.Lock()
			defer mu.Unlock()
			stored = append(stored, ticket.Epoch)
		}
	}
	inPlay(t, storing, func(t *testing.T, p *play) {
		hold = make(chan struct{})
		_, _, old := p.joins("abc", nil)
		done := p.joining(t.Context())
		join := old.one(wire.Join)
		old.announces()
		next := p.moves()
		next.takesIn(next.one(wire.Resume))
		old.takesIn(join)
		require.NoError(t, <-done)
		require.Empty(t, next.of(wire.Resume))
		hold <- struct{}{}
		joined := scriptedHub{}.joined(next.one(wire.Resume))
		joined.Epoch = 2
		next.says(joined)
		hold <- struct{}{}
		require.Equal(t, transport.Idle, old.ended())
		require.Equal(t, []uint64{1, 2}, stored)
	})
}

// The tickets of the new connection are stored before anything is written there, one at a time,
// and meanwhile nothing is lost.
func TestTicketsAreStoredBeforeAMove(t *testing.T) {
	var stored []uint64
	var hold chan struct{}
	storing := func(o *Options) {
		o.StoreTicket = func(ticket wire.Frame, _ wire.Role) {
			<-hold
			stored = append(stored, ticket.Epoch)
		}
	}
	inPlay(t, func(o *Options) { hold = make(chan struct{}, 10); storing(o) }, func(t *testing.T, p *play) {
		hold <- struct{}{}
		m, inbox, old := p.joins("abc", nil)
		old.announces()
		next := p.moves()
		joined := scriptedHub{}.joined(next.one(wire.Resume))
		joined.Epoch = 2
		next.says(joined)
		done := sends(t.Context(), m, "x")
		require.Empty(t, append(old.of(wire.Send), next.of(wire.Send)...))
		next.says(message("abc", 1))
		require.Empty(t, events(inbox), "the reader waits for the storage")
		hold <- struct{}{}
		next.says(wire.Frame{Type: wire.Ack, Ref: next.one(wire.Send).Ref, Seq: 1})
		require.NoError(t, <-done)
		require.Equal(t, []uint64{1, 2}, stored)
		require.Equal(t, []any{uint64(1)}, events(inbox))
		require.Equal(t, transport.Idle, old.ended())
	})
}
