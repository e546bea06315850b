package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// masterTimeout is X of rule 3, short so that the story is.
const masterTimeout = 2 * time.Second

const (
	channel = "abc123"
	other   = "xyz789"
)

// cast is who takes part.
type cast struct {
	cable           *cable // alice's
	alice           *lectern.Master
	one, two, three *lectern.Slave
}

// story plays everything that the seven rules promise, over WebSocket, and
// writes a transcript. The error says what was not as the rules say.
func story(ctx context.Context, out io.Writer) error {
	s, err := newStage(ctx, out, lectern.Policy{MasterTimeout: masterTimeout})
	if err != nil {
		return err
	}
	s.screen.line("A hub serves %s; a master may be away for %v.", s.url, masterTimeout)
	c := &cast{cable: newCable(s.url)}
	s.opening(c)
	s.messages(c)
	s.nothingSideways(c)
	s.switching(c)
	s.backInTime(c)
	s.tooLate(c)
	s.heading("That is all. Everything was as the rules say.")
	return errors.Join(s.err, s.close())
}

func (s *stage) opening(c *cast) {
	users := make([]*lectern.Client, 3)
	for i := range users {
		users[i] = s.client(websocket.Dialer{URL: s.url})
	}
	visitor := s.client(websocket.Dialer{URL: s.url})

	s.heading("1. Nobody can join what no master has created (rule 2)")
	s.refused("user_one", "joins "+channel, lectern.ErrNoSuchChannel, func(ctx context.Context) error {
		_, err := users[0].Join(ctx, channel, "user_one")
		return err
	})

	s.heading("2. A master creates the channel, and slaves join (rules 1, 2 and 4)")
	c.alice = s.create(s.client(c.cable), "alice", channel)
	slaves := make([]*lectern.Slave, len(users))
	for i, name := range []string{"user_one", "user_two", "user_three"} {
		slaves[i] = s.join(users[i], name, channel)
		sees(s, name, lectern.StateOnline, "", c.alice)
	}
	c.one, c.two, c.three = slaves[0], slaves[1], slaves[2]

	s.heading("3. One master, and the expected one (rules 7 and 2)")
	s.refused("mallory", "creates "+channel, lectern.ErrChannelExists, func(ctx context.Context) error {
		_, err := visitor.Create(ctx, channel, "mallory")
		return err
	})
	s.refused("user_four", "joins "+channel+", expecting bob as its master", lectern.ErrWrongMaster, func(ctx context.Context) error {
		_, err := visitor.Join(ctx, channel, "user_four", lectern.WithMaster("bob"))
		return err
	})
}

func (s *stage) messages(c *cast) {
	s.heading("4. The master speaks to all slaves (rule 6)")
	s.broadcasts(c.alice, "what is going on?")
	hears(s, "alice", "what is going on?", false, c.one, c.two, c.three)

	s.heading("5. The master speaks to one slave (rule 6); the others hear only what comes after it")
	s.sends(c.alice, "user_two", "a word with you")
	s.broadcasts(c.alice, "let us begin")
	hears(s, "alice", "a word with you", true, c.two)
	hears(s, "alice", "let us begin", false, c.one, c.two, c.three)
	s.refused("alice", "speaks to nobody", lectern.ErrNoSuchSlave, func(ctx context.Context) error {
		_, err := c.alice.Send(ctx, "nobody", lectern.Text("hello?"))
		return err
	})

	s.heading("6. A slave speaks to its master, and to nobody else (rule 5)")
	s.answers(c.one, "not much")
	hears(s, "user_one", "not much", false, c.alice)
}

// nothingSideways has somebody try what the library's Slave cannot even say.
func (s *stage) nothingSideways(c *cast) {
	s.heading("7. A slave without the library tries to reach another slave (rule 5)")
	mallory := s.stranger("mallory")
	defer mallory.close()
	mallory.writes(`{"type":"join","ref":1,"channel":"` + channel + `","username":"mallory"}`)
	mallory.reads("joined", "")
	sees(s, "mallory", lectern.StateOnline, "", c.alice)
	mallory.writes(`{"type":"send","ref":2,"channel":"` + channel + `","to":"user_one","text":"psst"}`)
	mallory.reads("error", "forbidden")

	s.heading("8. The master removes it; nobody has got the whisper: the next they hear is the master")
	if s.err == nil {
		ctx, cancel := s.wait()
		defer cancel()
		if err := c.alice.Kick(ctx, "mallory", "no whispering"); err != nil {
			s.differs("alice cannot kick mallory: %w", err)
		}
	}
	s.tells("alice", "kicks mallory: no whispering")
	mallory.reads("closed", "kicked")
	mallory.isClosed(transport.Kicked)
	sees(s, "mallory", lectern.StateGone, "no whispering", c.alice)
	s.broadcasts(c.alice, "where were we?")
	hears(s, "alice", "where were we?", false, c.one, c.two, c.three)
}

func (s *stage) switching(c *cast) {
	s.heading("9. A slave switches channels in one step; where it is refused, it stays")
	bob := s.create(s.client(websocket.Dialer{URL: s.url}), "bob", other)
	s.refused("user_three", "switches to nowhere", lectern.ErrNoSuchChannel, func(ctx context.Context) error {
		_, err := c.three.Switch(ctx, "nowhere")
		return err
	})
	s.sends(c.alice, "user_three", "still with us?")
	hears(s, "alice", "still with us?", true, c.three)

	c.three = s.switches(c.three, other)
	sees(s, "user_three", lectern.StateGone, "left", c.alice)
	sees(s, "user_three", lectern.StateOnline, "", bob)
	s.broadcasts(c.alice, "one has gone over")
	s.broadcasts(bob, "welcome here")
	hears(s, "alice", "one has gone over", false, c.one, c.two)
	hears(s, "bob", "welcome here", false, c.three)

	c.three = s.switches(c.three, channel)
	sees(s, "user_three", lectern.StateGone, "left", bob)
	sees(s, "user_three", lectern.StateOnline, "", c.alice)
}

func (s *stage) backInTime(c *cast) {
	s.heading("10. The master's connection is cut, and it is back in time (rules 3 and 4)")
	if s.err != nil {
		return
	}
	c.cable.unplug()
	s.tells("", "alice's cable is unplugged")
	sees(s, "alice", lectern.StateUnknown, "", c.alice)
	sees(s, "alice", lectern.StateAway, "", c.one, c.two, c.three)
	s.answers(c.two, "are you there?")

	// What the master says now waits until it is connected again.
	type result struct {
		number uint64
		err    error
	}
	said := make(chan result, 1)
	ctx, cancel := s.wait()
	defer cancel()
	go func() {
		receipt, err := c.alice.Broadcast(ctx, lectern.Text("can you hear me?"))
		said <- result{receipt.Seq, err}
	}()
	s.tells("alice", "to all of %s, without a connection: %q", channel, "can you hear me?")

	c.cable.plug()
	s.tells("", "alice's cable is plugged in again")
	sees(s, "alice", lectern.StateOnline, "", c.alice)
	hears(s, "user_two", "are you there?", false, c.alice)
	sees(s, "alice", lectern.StateOnline, "", c.one, c.two, c.three)
	hears(s, "alice", "can you hear me?", false, c.one, c.two, c.three)
	if r := <-said; r.err != nil {
		s.differs("alice's message from without a connection: %w", r.err)
	} else {
		s.tells("alice", "knows that it was accepted, as number %d", r.number)
	}
}

func (s *stage) tooLate(c *cast) {
	s.heading(fmt.Sprintf("11. The master's connection is cut for longer than %v: everybody is out (rule 3)", masterTimeout))
	if s.err != nil {
		return
	}
	cut := time.Now()
	c.cable.unplug()
	s.tells("", "alice's cable is unplugged")
	sees(s, "alice", lectern.StateUnknown, "", c.alice)
	sees(s, "alice", lectern.StateAway, "", c.one, c.two, c.three)
	ends(s, lectern.ErrMasterDown, c.one, c.two, c.three)
	after := time.Since(cut)
	if after < masterTimeout {
		s.differs("the slaves were let go after %v, before the time was over", after)
	}
	s.tells("", "that was %.1f s after the cut", after.Seconds())
	ends(s, lectern.ErrMasterDown, c.alice)

	if s.err != nil {
		return
	}
	ctx, cancel := s.wait()
	defer cancel()
	status, err := s.client(websocket.Dialer{URL: s.url}).Status(ctx, channel)
	if err != nil || status.Exists {
		s.differs("there should be no %s any more, and its status is %+v, %v", channel, status, err)
	}
	s.tells("a visitor", "asks the hub: there is no %s any more", channel)
}
