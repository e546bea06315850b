package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
	"github.com/lectern-go/lectern/transport/netconn"
)

// seeds are those of the histories to record.
func seeds() []uint64 {
	if *seed != 0 {
		return []uint64{*seed}
	}
	list := make([]uint64, *rounds)
	for i := range list {
		list[i] = rand.Uint64()
	}
	return list
}

// overMemory leads to a hub through the memory transport, and overLoopback through TCP.
var overMemory, overLoopback = eachBy(byMemory), eachBy(byTCP)

func byMemory(t testing.TB, hub *lectern.Hub) (transport.Dialer, func()) {
	listener := memory.Listen(hub, memory.Options{})
	return listener, func() { require.NoError(t, listener.Close()) }
}

func byTCP(t testing.TB, hub *lectern.Hub) (transport.Dialer, func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = netconn.Serve(ctx, listener, hub, netconn.Options{}) })
	return netconn.Dialer{Address: listener.Addr().String()}, func() {
		cancel()
		_ = listener.Close()
		serving.Wait()
	}
}

// TestHistories lets several users do all that the rules are about, at the same
// time, and give some of it up half way.
func TestHistories(t *testing.T) {
	outcomes := make(tally)
	for _, seed := range seeds() {
		record(t, seed, overMemory, outcomes)
	}
	t.Logf("what was recorded:%v", outcomes)
	if *seed != 0 || *rounds < 100 {
		return
	}
	for _, name := range []string{
		"create ok", "create channel_exists", "join ok", "join no_such_channel", "join wrong_master",
		"join name_taken", "join unknown", "resume ok", "resume resume_failed", "kick ok", "kick no_such_slave",
		"broadcast ok", "tell ok", "report ok", "leave ok", "status ok",
		"resume ended", "resume unauthorized", "resume refused", "seize by create ok", "seize by join ok",
		"refresh ok", "refresh unauthorized", "refresh refused",
		"knock ok", "take a knock", "admit ok", "deny ok", "join denied", "join locked", "door ok", "mute ok", "report muted",
		"hand over ok", "hand over no_such_slave", "set master ok", "set master no_such_slave", "set master no_such_channel",
		"set ok", "take a message", "take a value", "take a removal", "ask ok", "hear ok", "reply ok",
	} {
		require.NotZero(t, outcomes[name], "the histories never have %q, so they prove little", name)
	}
}

func TestHistoriesOverTCP(t *testing.T) {
	outcomes := make(tally)
	for _, seed := range seeds()[:max(1, *rounds/10)] {
		record(t, seed, overLoopback, outcomes)
	}
	t.Logf("what was recorded:%v", outcomes)
}

func record(t *testing.T, seed uint64, connect func(testing.TB, *hubs) (transport.Dialer, func()), outcomes tally) {
	hub := newHubs(t)
	dialer, disconnect := connect(t, hub)
	w := newWorld(t, hub, dialer)
	w.play(seed, 6, 25)
	history := w.recorder.finish()
	w.close()
	disconnect()
	require.NoError(t, hub.Close())
	outcomes.add(history)
	judge(t, seed, history)
}

// TestCreatesInOneInstant: exactly one of those who create a channel in the same
// instant becomes its master (rule 7).
func TestCreatesInOneInstant(t *testing.T) {
	hub := newHubs(t)
	dialer, disconnect := overMemory(t, hub)
	w := newWorld(t, hub, dialer)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	const users = 4
	var clients [users]*lectern.Client
	var lanes [users]*lane
	for i := range clients {
		clients[i], lanes[i] = w.client(), w.recorder.lane()
	}
	for round := range 10 * *rounds {
		channel := fmt.Sprint("round", round)
		if round%users == 0 {
			// So that each has a connection, which it has to make by itself after
			// it was alone on it.
			for _, c := range clients {
				_, err := c.Status(ctx, channel)
				require.NoError(t, err)
			}
		}
		var masters [users]*lectern.Master
		var errs [users]error
		var creating sync.WaitGroup
		start := make(chan struct{})
		contenders := 2 + round%(users-1)
		for i := range contenders {
			creating.Go(func() {
				in := input{op: create, channel: channel, handle: w.recorder.newHandle(), user: fmt.Sprint("user", i)}
				in.member = in.handle
				<-start
				lanes[i].run(in, func() output {
					masters[i], errs[i] = clients[i].Create(ctx, channel, in.user)
					return output{outcome: outcomeOf(errs[i])}
				})
			})
		}
		close(start)
		creating.Wait()
		won := 0
		for i := range contenders {
			if errs[i] == nil {
				won++
				continue
			}
			require.ErrorIs(t, errs[i], lectern.ErrChannelExists)
		}
		require.Equal(t, 1, won, "in round %d so many became the master", round)
		for _, m := range masters {
			if m != nil {
				require.NoError(t, m.Close())
			}
		}
	}
	judge(t, 0, w.recorder.finish())
	cancel()
	w.close()
	disconnect()
	require.NoError(t, hub.Close())
}

// TestTakeoversInOneInstant: of those who come back with the same ticket at the
// same time one has the membership in the end, and all the others, and the one
// who had it before, are told that they were replaced (rule 7): by the end of what they
// had, or by the refusal of what they asked.
func TestTakeoversInOneInstant(t *testing.T) {
	for _, role := range []string{"master", "slave"} {
		t.Run(role, func(t *testing.T) {
			for round, seed := range seeds() {
				takeover(t, seed, role == "master", 2+round%5)
			}
		})
	}
}

func takeover(t *testing.T, seed uint64, ofMaster bool, contenders int) {
	hub := newHubs(t)
	dialer, disconnect := overMemory(t, hub)
	w := newWorld(t, hub, dialer)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	const channel = "c0"

	setUp := w.recorder.lane()
	enter := func(op operation, name string, do func() error) int {
		in := input{op: op, channel: channel, handle: w.recorder.newHandle(), user: name}
		in.member = in.handle
		out := setUp.run(in, func() output { return output{outcome: outcomeOf(do())} })
		require.Equal(t, ok, out.outcome)
		return in.member
	}
	first := new(held)
	member := enter(create, "alice", func() (err error) {
		first.master, err = w.client().Create(ctx, channel, "alice")
		return err
	})
	if !ofMaster {
		first = new(held)
		member = enter(join, "bob", func() (err error) {
			first.slave, err = w.client().Join(ctx, channel, "bob")
			return err
		})
	}
	first.handle, first.member = member, member
	k := first.ticket()

	all := []*held{first}
	var mu sync.Mutex
	var taking sync.WaitGroup
	start := make(chan struct{})
	for range contenders {
		c, lane := w.client(), w.recorder.lane()
		h := &held{handle: w.recorder.newHandle(), member: member}
		_, err := c.Status(ctx, channel) // so that it is connected
		require.NoError(t, err)
		taking.Go(func() {
			in := input{op: resume, channel: channel, handle: h.handle, member: member, user: k.Username, from: k.handle}
			<-start
			var err error
			out := lane.run(in, func() (out output) {
				if ofMaster {
					h.master, err = c.ResumeMaster(ctx, k.Ticket)
				} else {
					h.slave, err = c.ResumeSlave(ctx, k.Ticket)
				}
				return output{outcome: outcomeOf(err)}
			})
			if out.outcome == ended {
				return // another one has taken the membership over since the ticket was made
			}
			if out.outcome != ok {
				t.Errorf("a takeover by the ticket: %v, %v; of -histories.seed=%d", out.outcome, err, seed)
				return
			}
			if hub.areSeveral() {
				// One who was in for a moment at a hub that has lost the channel may be told to come back, and does.
				lane.follow(input{op: comeBack, channel: channel, handle: h.handle, member: member, slave: h.slave != nil})
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, h)
		})
	}
	close(start)
	taking.Wait()
	require.Greater(t, len(all), 1)

	// All but one end, in any order.
	ends := make(chan *held, len(all))
	var watching sync.WaitGroup
	last, stop := context.WithCancel(ctx)
	for _, h := range all {
		watching.Go(func() {
			select {
			case <-h.done():
				ends <- h
			case <-last.Done():
			}
		})
	}
	over := make(map[*held]bool)
	for range len(all) - 1 {
		select {
		case h := <-ends:
			require.ErrorIs(t, h.err(), lectern.ErrReplaced)
			over[h] = true
		case <-ctx.Done():
			t.Fatalf("only %d of %d were replaced; of -histories.seed=%d", len(over), len(all)-1, seed)
		}
	}
	for _, h := range all {
		if over[h] {
			continue
		}
		require.NoError(t, h.err())
		in := input{op: report, channel: channel, handle: h.handle, member: member}
		if ofMaster {
			in.op = broadcast
		}
		setUp.run(in, func() output {
			receipt, err := h.speak(ctx)
			require.NoError(t, err, "the one who has the membership can use it")
			return output{outcome: ok, seq: receipt.Seq, slaves: receipt.Slaves}
		})
	}
	stop()
	watching.Wait()
	require.Empty(t, ends, "and keeps it")
	judge(t, seed, w.recorder.finish())
	cancel()
	w.close()
	disconnect()
	require.NoError(t, hub.Close())
}

func (h *held) done() <-chan struct{} {
	if h.master != nil {
		return h.master.Done()
	}
	return h.slave.Done()
}

func (h *held) speak(ctx context.Context) (lectern.Receipt, error) {
	switch {
	case h.master != nil:
		return h.master.Broadcast(ctx, lectern.Text("still me"))
	case h.slave != nil:
		return h.slave.Send(ctx, lectern.Text("still me"))
	}
	return lectern.Receipt{}, errors.New("no membership")
}
