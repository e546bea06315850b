package faults

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/faults"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

var (
	faultRounds = flag.Int("faults.rounds", 3, "how many rounds TestFaultRounds plays")
	faultSeed   = flag.Uint64("faults.seed", 0, "play rounds of this seed only")
	// About one in a hundred of these fails (docs/TESTING.md).
	faultReplaced = flag.Bool("faults.replaced", false, "replace hubs of a cluster too, one after the other")
	faultHands    = flag.Bool("faults.handovers", false, "play rounds with hand-overs only")
)

// The times of a fault round. They are short beside what happens in it, so that
// members come back in time, too late, and just about.
const (
	faultX        = 4 * time.Second // of masters
	faultS        = 3 * time.Second // of slaves
	faultSpan     = 10 * time.Second
	faultProbe    = 200 * time.Millisecond
	faultGiveUp   = 100 * time.Millisecond
	faultStall    = 2 * time.Second // how long faults wait and last, at the most
	faultPatience = 30 * time.Second
	faultSlaves   = 4
)

// TestFaultRounds lets a master, several slaves and a rival do what they like
// over connections to which everything happens that happens to connections, and
// holds what each was told against what the others did. The seed decides what
// happens to the connections and what the users do; how the goroutines are
// scheduled it does not, so a seed that has failed may need several rounds.
func TestFaultRounds(t *testing.T) {
	for i := range *faultRounds {
		seed := rand.Uint64()
		for *faultHands && !chooseFaults(seed).hands {
			seed = rand.Uint64()
		}
		if *faultSeed != 0 {
			seed = *faultSeed
		}
		kind := faultNetworks[seed%uint64(len(faultNetworks))]
		if !t.Run(fmt.Sprintf("%d over %s with seed %d", i, kind.name, seed), func(t *testing.T) {
			plans, err := playFaults(t, seed, nil)
			if err != nil {
				t.Fatalf("%v\n-faults.seed=%d, %v, the kinds of faults that it takes: %v\n%s",
					err, seed, chooseFaults(seed), neededFaults(t, seed), plans)
			}
		}) {
			return
		}
	}
}

// neededFaults leaves out the kinds of faults without which the seed fails too.
func neededFaults(t *testing.T, seed uint64) string {
	without := map[faults.Kind]bool{}
	var needed []string
	for kind := faults.Cut; kind <= faults.Refuse; kind++ {
		without[kind] = true
		fails := false
		for range 5 {
			if _, err := playFaults(t, seed, func(k faults.Kind) bool { return !without[k] }); err != nil {
				fails = true
				break
			}
		}
		if !fails {
			without[kind] = false
			needed = append(needed, kind.String())
		}
	}
	return strings.Join(needed, ", ")
}

// playFaults plays one round, and returns the plans of the connections and what
// went wrong.
func playFaults(t *testing.T, seed uint64, allowed func(faults.Kind) bool) (plans string, failure error) {
	synctest.Test(t, func(t *testing.T) {
		choice := chooseFaults(seed)
		service := &faultService{choice: choice, random: rand.New(rand.NewPCG(seed, 6))}
		policy := choice.policy(service)
		hubs := newHubs(t, &policy)
		var list strings.Builder
		connections := rand.New(rand.NewPCG(seed, 1))
		var mu sync.Mutex
		plan := func() faults.Plan {
			mu.Lock()
			defer mu.Unlock()
			plan := faults.Random(connections, faultStall, allowed)
			if connections.IntN(4) > 0 && (allowed == nil || allowed(faults.Cut)) {
				// Else too many would live for the whole round.
				plan = append(plan, faults.Fault{Kind: faults.Cut, At: 1 + time.Duration(connections.Int64N(int64(2*faultStall)))})
			}
			if choice.small && connections.IntN(3) == 0 && (allowed == nil || allowed(faults.Delay)) {
				// So slow that what is sent in a burst fills its outbox.
				plan = append(plan, faults.Fault{Kind: faults.Delay, Direction: faults.Down, At: 1, For: faultStall / 50})
			}
			fmt.Fprintf(&list, "\t%v\n", plan)
			return plan
		}
		address := &faultAddress{network: faultNetworks[seed%uint64(len(faultNetworks))], random: rand.New(rand.NewPCG(seed, 10))}
		address.serve(hubs)
		r := &faultRound{
			hubs: hubs, clustered: policy, service: service, plan: plan, address: address,
			reigns: map[string][]*reign{}, faultChoice: choice, seed: seed, finish: make(chan struct{}), replacing: make(chan struct{}, 1),
		}
		r.follows(hubs)
		r.play()
		require.NoError(t, r.shutHubs(stage.Within(t)))
		r.endOfEvents()
		for _, n := range r.networks {
			n.Close()
		}
		address.leave()()
		time.Sleep(time.Second) // in which an http.Server gives its last answers time to arrive
		failure, plans = r.verify(), list.String()
		t.Logf("%d sends of muted slaves were refused", r.muted.Load())
		t.Logf("of %d knocks masters have decided", r.judged.Load())
		t.Logf("%s, and %d tickets of before were worth nothing", r.successions(), r.tried.Load())
		t.Logf("%d questions were answered by another holder than had taken them", r.reopened.Load())
		// Whatever is left of a goroutine fails the bubble.
	})
	return plans, failure
}

// faultNetwork is one way to a hub through a faulty network: how a hub listens, and how it is
// reached at its address.
type faultNetwork struct {
	name    string
	serve   func(hub *lectern.Hub) *faultProcess
	through func(a *faultAddress, n *faults.Network) transport.Dialer
}

var faultNetworks = []faultNetwork{
	{"netconn", func(hub *lectern.Hub) *faultProcess {
		listener := memnet.Listen()
		ctx, cancel := context.WithCancel(context.Background())
		var serving sync.WaitGroup
		serving.Go(func() { _ = netconn.Serve(ctx, listener, hub, netconn.Options{Conn: faultTimed}) })
		return &faultProcess{connect: listener.Dial, stop: func() { cancel(); serving.Wait() }}
	}, func(a *faultAddress, n *faults.Network) transport.Dialer {
		return netconn.Dialer{Address: "lectern.test:1", NetDialContext: n.NetDial(a.connect), Conn: faultTimed}
	}},
	{"websocket", func(hub *lectern.Hub) *faultProcess {
		server := &http.Server{
			Handler:           websocket.NewHandler(hub, websocket.Options{Conn: faultProbed}),
			ReadHeaderTimeout: time.Second,
			ErrorLog:          log.New(io.Discard, "", 0),
		}
		listener := memnet.Listen()
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		return &faultProcess{connect: listener.Dial, stop: func() { _ = server.Close(); serving.Wait() }}
	}, func(a *faultAddress, n *faults.Network) transport.Dialer {
		return websocket.Dialer{URL: "ws://lectern.test/ws", NetDialContext: n.NetDial(a.connect), Conn: faultProbed}
	}},
	{"memory", func(hub *lectern.Hub) *faultProcess {
		listener := memory.Listen(hub, memory.Options{})
		return &faultProcess{dial: listener.Dial, stop: func() { _ = listener.Close() }}
	}, func(a *faultAddress, n *faults.Network) transport.Dialer { return n.Dialer(a) }},
	faultStream,
	faultPolls,
}

var (
	faultProbed = transport.ConnOptions{ProbeAfter: faultProbe, GiveUp: faultGiveUp}
	faultTimed  = transport.ConnOptions{ProbeAfter: faultProbe, GiveUp: faultGiveUp, MessageTimeout: time.Second}
)
