package handover

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// player is a user of a game, and the handle that it has: one of the two, or none.
type player struct {
	*stage.User
	name   string
	master *lectern.Master
	slave  *lectern.Slave
}

// follow finds the handle that the player has by now. stayed are those of masters that have handed over.
func (p *player) follow(t *testing.T, stayed map[*lectern.Master]*lectern.Slave) {
	for {
		switch {
		case p.master != nil && p.master.Err() != nil:
			p.master, p.slave = nil, stayed[p.master]
		case p.slave != nil && errors.Is(p.slave.Err(), lectern.ErrHandedOver):
			p.master, p.slave = p.slave.Promoted(), nil
			require.NotNil(t, p.master)
		case p.slave != nil && p.slave.Err() != nil:
			p.slave = nil
		default:
			return
		}
	}
}

// Hand-overs of the master and of the service, several at once, with sends under way and connections that are cut or
// silent in the same instants: afterwards exactly one of the users has the master's handle, which the hub
// takes for the master, and who was let go can join again (rule 7).
func TestRule7WhateverComesTogether(t *testing.T) {
	policy := lectern.Policy{MasterTimeout: 20 * time.Second, SlaveTimeout: 20 * time.Second}
	policy.Authorize = func(context.Context, lectern.AuthRequest) (lectern.Identity, error) {
		return lectern.Identity{AsAsked: true}, nil
	}
	for seed := range uint64(40) {
		stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
			random := rand.New(rand.NewPCG(seed, 77))
			players := make([]*player, 4)
			for i, name := range []string{"alice", "one", "two", "three"} {
				players[i] = &player{User: s.User(), name: name}
			}
			players[0].master = players[0].Creates("abc123", "alice")
			for _, p := range players[1:] {
				p.slave = p.Joins("abc123", p.name)
			}
			channel, _ := s.Hub.Channel("abc123")
			for round := range 15 {
				stayed := together(t, random, players, channel)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				report, ok := channel.Snapshot()
				require.True(t, ok, "seed %d, round %d", seed, round)
				masters := 0
				for _, p := range players {
					if p.follow(t, stayed); p.master == nil {
						continue
					}
					masters++
					require.Equal(t, report.Master.Username, p.name, "seed %d, round %d", seed, round)
					stage.Broadcast(t, p.master, "here")
				}
				require.Equal(t, 1, masters, "seed %d, round %d", seed, round)
				for _, p := range players {
					if p.master == nil && p.slave == nil {
						p.slave = p.Joins("abc123", p.name)
					}
				}
			}
		})
	}
}

// together has some things happen at once, and returns what masters are that have stayed.
func together(t *testing.T, random *rand.Rand, players []*player, channel *lectern.Channel) map[*lectern.Master]*lectern.Slave {
	var all sync.WaitGroup
	var mu sync.Mutex
	stayed := make(map[*lectern.Master]*lectern.Slave)
	for range 1 + random.IntN(4) {
		p, to := players[random.IntN(len(players))], players[random.IntN(len(players))].name
		stay, after := random.IntN(2) == 0, time.Duration(random.IntN(3))*time.Millisecond
		kind, plug, slave := random.IntN(7), p.Plug(), p.slave
		var master *lectern.Master
		for _, p := range players {
			if p.master != nil {
				master = p.master
			}
		}
		all.Go(func() {
			time.Sleep(after)
			switch kind {
			case 0, 1, 2:
				if next, _ := master.HandOver(stage.Within(t), to, stay); next != nil {
					mu.Lock()
					defer mu.Unlock()
					stayed[master] = next
				}
			case 3:
				_ = channel.SetMaster(stage.Within(t), to)
			case 4:
				plug.Cut()
			case 5:
				plug.Silence()
				time.Sleep(2 * time.Millisecond)
				plug.Cut()
			case 6:
				if slave != nil {
					_, _ = slave.Send(stage.Within(t), lectern.Text("up"))
				}
				_, _ = master.Broadcast(stage.Within(t), lectern.Text("down"))
			}
		})
	}
	all.Wait()
	return stayed
}
