package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport/memory"
)

// This file has another hub take the place of the one that there is.

// serves has a hub take the place of the former one, if any, at the same address.
func (g *game) serves(hub *lectern.Hub) {
	g.hub = hub
	go g.knocks.follow(hub)
	if g.roster == nil {
		g.roster = stage.FollowEvents(hub)
	}
	for _, p := range g.players {
		p.mu.Lock()
		former := p.listener
		p.listener = memory.Listen(hub, memory.Options{})
		p.mu.Unlock()
		if former != nil {
			_ = former.Close()
		}
	}
}

// policy is that of all hubs of a game.
func (g *game) policy() lectern.Policy {
	return lectern.Policy{
		MasterTimeout: gameMasterTimeout, SlaveTimeout: gameSlaveTimeout, WaitTimeout: gameWaitTimeout, MaxSlaves: g.places,
		Replay:    lectern.QueueLimit{Messages: int(g.kept)},
		Authorize: g.service.authorize, Reauthorize: []lectern.Operation{lectern.OpResume},
	}
}

// stops ends the hub, and returns who was online: these cannot reach a hub until they return.
func (g *game) stops(end func() error) (online []*player, err error) {
	for _, p := range g.players {
		if !p.offline {
			online = append(online, p)
			p.shut()
		}
	}
	if err := end(); err != nil {
		return nil, err
	}
	// The events end with the hub, after everything was told.
	if err := errors.Join(g.roster.Wait(), g.roster.Compare()); err != nil {
		return nil, err
	}
	g.roster = nil
	synctest.Wait()
	for _, p := range online {
		p.offline = true
		g.lost(p)
	}
	return online, g.compare()
}

// returns brings those back who were online.
func (g *game) returns(online []*player) error {
	for _, p := range online {
		p.unshut()
		synctest.Wait()
		g.expire(time.Now()) // to come back may need some ticks
		p.offline = false
		g.resumed(p)
		if err := g.sendWaiting(p); err != nil {
			return err
		}
	}
	return nil
}

// restart shuts the hub down, and after a while another one goes on from what it has left.
// Meanwhile nobody's time runs out but that of clients, which give up by themselves; what
// should have happened at the hub happens when the new one begins.
func (g *game) restart(gap time.Duration) error {
	g.down = true
	var state bytes.Buffer
	online, err := g.stops(func() error {
		return errors.Join(g.hub.Shutdown(context.Background()), g.hub.Export(&state))
	})
	if err != nil {
		return err
	}
	if err := g.tooSmall(state.Bytes()); err != nil {
		return err
	}
	if gap > 0 {
		if err := g.advance(gap); err != nil {
			return err
		}
	}
	hub, err := lectern.NewHub(g.policy())
	if err == nil {
		if gap > 0 { // else it begins with what is there already
			g.roster = stage.FollowEvents(hub)
		}
		err = hub.Restore(bytes.NewReader(state.Bytes()))
	}
	if err != nil {
		return err
	}
	g.serves(hub)
	synctest.Wait()
	g.down = false
	g.counts["restarted"]++
	for _, c := range g.stars {
		if c.master != nil {
			g.counts["a channel outlived its hub"]++
		}
	}
	before := len(g.ended())
	g.expire(time.Now())
	g.counts["a channel's time was up at a restart"] += len(g.ended()) - before
	if err := g.compare(); err != nil {
		return fmt.Errorf("before anybody is back: %w", err)
	}
	return g.returns(online)
}

// ended are the channels that there are not.
func (g *game) ended() (ended []*star) {
	for _, c := range g.stars {
		if c.master == nil {
			ended = append(ended, c)
		}
	}
	return ended
}

// crash ends the hub without leaving anything.
func (g *game) crash() error {
	g.down = true
	online, err := g.stops(g.hub.Close)
	if err != nil {
		return err
	}
	hub, err := lectern.NewHub(g.policy())
	if err != nil {
		return err
	}
	g.serves(hub)
	g.down = false
	g.hubs++
	for _, s := range g.seats {
		if s.in {
			g.counts["a hub was lost"]++
		}
		s.in, s.deadline, s.expires = false, time.Time{}, time.Time{}
	}
	for _, c := range g.stars {
		c.master, c.slaves, c.away = nil, nil, false
	}
	return g.returns(online)
}

// tooSmall expects that a hub whose policy allows less than there is refuses all of it, and is
// as new then.
func (g *game) tooSmall(state []byte) error {
	for _, c := range g.stars {
		policy := g.policy()
		policy.Authorize, policy.Reauthorize = nil, nil
		switch {
		case c.master == nil:
			continue
		case len(c.slaves) > 1:
			policy.MaxSlaves = len(c.slaves) - 1
		case len(g.ended()) == 0:
			policy.MaxChannels = len(g.stars) - 1
		default:
			continue
		}
		hub, err := lectern.NewHub(policy)
		if err != nil {
			return err
		}
		if err := hub.Restore(bytes.NewReader(state)); !errors.Is(err, lectern.ErrOverPolicy) {
			return fmt.Errorf("a hub that has no room has restored the state: %w", err)
		}
		for other := range hub.Channels() {
			return fmt.Errorf("a hub that was refused the state has %s", other.Name())
		}
		if _, err := hub.Create(context.Background(), c.name, "somebody"); err != nil {
			return fmt.Errorf("a hub that was refused the state: %w", err)
		}
		if err := hub.Close(); err != nil {
			return err
		}
		g.counts["over the policy"]++
	}
	return nil
}
