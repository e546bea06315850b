package cluster

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/clustertest"
)

var (
	rounds = flag.Int("cluster.rounds", 10, "how many rounds TestRounds plays")
	faulty = flag.Bool("cluster.faults", false, "rounds with messages and appends that go wrong, and with hubs that are frozen, cut off and killed, too")
	seeded = flag.Uint64("cluster.seed", 0, "play rounds of this seed only")
	logged = flag.Bool("cluster.log", false, "hubs log to standard error, and users what they do")
	going  = flag.Bool("cluster.all", false, "go on after a round that fails")
	with   = flag.String("cluster.with", "", "draw only rounds that have this, by the words that a round that fails is printed with")
)

// TestRounds plays rounds. The seed decides what happens to the network, to the hubs and to the
// connections, and what the users do; how the goroutines are scheduled and what the hubs draw
// it does not, so a seed that has failed may need several rounds.
func TestRounds(t *testing.T) {
	failed := 0
	for range *rounds {
		seed := *seeded
		if seed == 0 {
			seed = draw()
		}
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := play(seed); err != nil {
					t.Errorf("-cluster.seed=%d %v: %v", seed, choose(seed), firstOf(err))
				}
			})
		}) {
			if failed++; !*going {
				return
			}
		}
	}
	if failed > 0 {
		t.Logf("%d of %d rounds have failed", failed, *rounds)
	}
}

// draw draws a seed, of a round without faults but those of users' connections where no others are wanted.
func draw() uint64 {
	for {
		seed := rand.Uint64()>>40 | 1
		if c := choose(seed); !strings.Contains(c.String(), *with) {
			continue
		} else if *faulty || !c.faults && !c.storm && !c.fills && !c.loses && !c.unheard && !c.expires && !c.reuses && !c.sleeps {
			return seed
		}
	}
}

// firstOf is one line: what was noticed first, and how much more there is.
func firstOf(err error) error {
	var all interface{ Unwrap() []error }
	if *logged || !errors.As(err, &all) || len(all.Unwrap()) < 2 {
		return err
	}
	return fmt.Errorf("%w (and %d more)", all.Unwrap()[0], len(all.Unwrap())-1)
}

// choice is what is decided for a round as a whole.
type choice struct {
	// faults: messages and appends go wrong. storm: hubs are frozen and cut off, and shards without
	// a leader. kills: hubs are killed. links: connections of users are cut, and go dead.
	faults, storm, kills, links bool
	// recreates: masters close their channels and create them anew, and switches: slaves switch between channels.
	recreates, switches bool
	// dies: at the end the master does not come back, and neither does its hub where kills is set. abandons: nobody
	// comes back, and no hub. Else the master closes its channel.
	dies, abandons bool
	// unheard: before it dies with its hub, that is not heard by the others for a while.
	unheard bool
	// expires: at the end what is in the log is gone, too early. ages: the log keeps what it has for a short time. fills: a shard
	// has no room for a while. loses: it loses the end of what it has.
	expires, ages, fills, loses bool
	// reuses: at the end a channel's name is used again while a hub that is cut off keeps members of the one before, and what is
	// in the log of that is gone. sleeps: at the end all hubs are frozen for longer than the log keeps anything.
	reuses, sleeps bool
	rows, slaves   int
}

func choose(seed uint64) choice {
	random := rand.New(rand.NewPCG(seed, 0))
	c := choice{
		faults: random.IntN(4) > 0, storm: random.IntN(3) > 0, kills: random.IntN(2) == 0, links: random.IntN(3) > 0,
		dies: random.IntN(3) == 0, rows: 1 + random.IntN(2), slaves: 2 + random.IntN(3),
	}
	c.recreates = random.IntN(4) == 0
	c.switches = random.IntN(2) == 0 && c.rows > 1 && !c.recreates
	c.abandons = !c.dies && random.IntN(5) == 0
	c.unheard = random.IntN(2) == 0 && c.dies && c.kills
	c.expires = random.IntN(6) == 0 && !c.dies && !c.abandons
	c.ages = random.IntN(4) == 0
	c.fills = random.IntN(6) == 0
	c.loses = random.IntN(8) == 0 && !c.recreates && !c.switches && !c.fills
	closes := !c.dies && !c.abandons && !c.expires && !c.loses
	c.reuses = random.IntN(5) == 0 && closes && !c.recreates
	c.sleeps = random.IntN(3) == 0 && closes && !c.reuses && c.ages
	return c
}

func (c choice) String() string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{
		{c.faults, "faults"}, {c.storm, "storm"}, {c.storm && c.kills, "kills"}, {c.links, "links"}, {c.recreates, "recreates"}, {c.switches, "switches"},
		{c.dies, "the master dies"}, {c.unheard, "unheard"}, {c.abandons, "abandoned"}, {c.expires, "expires"}, {c.ages, "ages"}, {c.fills, "full"}, {c.loses, "loses"}, {c.reuses, "reuses"},
		{c.sleeps, "sleeps"},
	} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// The times of a round.
const (
	roundHubs   = 3
	roundShards = 4
	roundX      = 60 * time.Second // of masters, and of slaves
	roundSpan   = 25 * time.Second
	roundHeals  = 15 * time.Second // until when after the faults everything is as if there had been none
	roundKeeps  = 2 * roundX       // for how long a log that ages keeps what it has
	answersBy   = 60 * time.Second // until when each call that is under way then has returned
)

// play plays one round.
func play(seed uint64) error {
	c := choose(seed)
	var faults clustertest.Faults
	if faults = clustertest.Usual(); !c.faults {
		faults = clustertest.Faults{Latency: faults.Latency}
	}
	keeps := 24 * time.Hour
	if c.ages {
		keeps = roundKeeps
	}
	log := cluster.NewLocalWith(cluster.LocalOptions{Keeps: keeps, Shards: roundShards})
	r := &round{
		choice: c, seed: seed, log: log, network: clustertest.NewNetwork(log, seed, faults), random: rand.New(rand.NewPCG(seed, 1)),
		stop: make(chan struct{}), begun: time.Now(),
	}
	for range roundHubs {
		r.startHub()
	}
	r.act()
	err := errors.Join(r.wrong...)
	if left := goroutines(); left != "" {
		err = errors.Join(err, fmt.Errorf("goroutines are left: %s", left))
		fmt.Fprintf(os.Stderr, "-cluster.seed=%d %v: %v\n", seed, c, err) // the bubble panics
	}
	return err
}

// goroutines are those of the bubble that are left beside the caller.
func goroutines() (left string) {
	synctest.Wait()
	stacks := make([]byte, 1<<20)
	all := strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n")
	_, bubble, _ := strings.Cut(strings.SplitN(all[0], "\n", 2)[0], "synctest bubble")
	for _, stack := range all[1:] {
		head, rest, _ := strings.Cut(stack, "\n")
		if _, of, in := strings.Cut(head, "synctest bubble"); !in || of != bubble || strings.Contains(head, "[synctest.Run") || strings.Contains(rest, "testing/synctest.testingSynctestTest") {
			continue
		}
		if left += head + " "; *logged {
			left += rest + "\n"
			continue
		}
		lines := strings.Split(rest, "\n")
		for i := 0; i < len(lines) && i < 12; i += 2 {
			left += lines[i] + " < "
		}
	}
	return left
}
