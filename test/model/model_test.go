package model

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
)

var (
	modelRounds = flag.Int("model.rounds", 40, "how many random games TestModel plays")
	modelSeed   = flag.Uint64("model.seed", 0, "play the one game of this seed")
)

// TestModel plays random games of a few users and channels on a real hub, over
// connections that break, and holds everything that anybody sees against a plain
// model of the seven rules. Of a game that fails it prints the shortest list of
// moves that it can find, and the seed.
func TestModel(t *testing.T) {
	seeds := make([]uint64, *modelRounds)
	for i := range seeds {
		seeds[i] = rand.Uint64()
	}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	counts := map[string]int{}
	for _, seed := range seeds {
		moves := randomMoves(seed)
		err := play(t, moves, counts)
		if err == nil {
			continue
		}
		moves, err = shrink(t, moves, err)
		var list strings.Builder
		for _, m := range moves {
			fmt.Fprintf(&list, "\t%v\n", m)
		}
		t.Fatalf("%v\nafter the moves\n%sof -model.seed=%d", err, &list, seed)
	}
	t.Logf("what has happened: %v", counts)
	if len(seeds) < 3000 {
		return
	}
	for _, kind := range []string{
		"taken over", "refused: resume_failed", "refused: replaced", "refused: unauthorized", "refused: busy", "seized", "came back unheard of the other",
		"an answer was lost", "a question was lost", "slave expired", "master expired", "revoked", "refreshed",
		"busy", "the service spoke", "a message expired", "a gap for a slave", "a gap for a master", "a change of an attribute",
		"a muted send was refused",
		"knocked", "admitted", "admitted, and there was no room", "denied", "a knock was judged that was over", "a knock was taken back", "banned at the door",
		"the door was opened", "the door was opened, and there was no room", "the door was locked", "refused: locked", "refused: channel_full",
		"waited for a channel", "came to the door of a new channel", "a switch waited", "waited again", "kept its place at the door", "taken over at the door",
		"waited too long", "a grant expired at the door", "what was granted expired before there was a channel", "waited longer without a hub than one allows",
		"handed over", "the service has set a master", "the service has set a master while there was none", "a message went on to the new master",
		"a master did not get its own message", "sent just before the mastership went over", "sent while the mastership went over", "who waited for another master was refused",
		"a connection was lost at a hand-over", "a hand-over was lost", "was told late that it is the master", "was told late that it is a slave",
		"was told late that it has left by a hand-over", "a hand-over and the end of somebody's time in one instant", "two hand-overs in one instant",
		"of two hand-overs one came too late", "a seat was taken over just before a hand-over", "a seat was taken over too late for a hand-over",
		"let in as it gave up", "let in too late, as it gave up", "knocked under a name that was just left", "knocked under a name that was still there",
		"restarted", "a channel outlived its hub", "a channel's time was up at a restart", "over the policy", "a hub was lost",
	} {
		if counts[kind] == 0 {
			t.Errorf("it never happens that: %s", kind)
		}
	}
}

// TestModelKnownGames plays the games that once went wrong.
func TestModelKnownGames(t *testing.T) {
	games := map[string][]move{
		// A connection is lost, and the message sent again, in the last
		// nanosecond of the master's time: the message counts, and then X does.
		"a send in the last instant": {
			{"create", 0, 0, 1}, {"join", 1, 0, 0}, {"create", 3, 1, 0}, {"join", 2, 1, 0},
			{"cut", 2, 1, 0}, {"sleep", 0, 0, 0}, {"sleep", 0, 0, 0}, {"sleep", 0, 0, 0},
			{"away", 0, 0, 0}, {"due", 0, 0, 0}, {"status", 0, 0, 0}, {"status", 0, 0, 0},
			{"ghostsend", 1, 0, 1},
		},
		// A slave is told of a gap, gets nothing after it, and loses its connection once more: it is
		// not told again.
		"a gap is told once": {
			{"create", 0, 0, 0}, {"join", 1, 0, 0}, {"join", 2, 0, 0}, {"create", 3, 1, 1}, {"blinksend", 0, 0, 2}, {"lostjoin", 1, 1, 2},
			{"speak", 1, 0, 2}, {"join", 3, 0, 0}, {"speak", 2, 0, 3}, {"take", 5, 1, 3}, {"seize", 5, 0, 2}, {"seize", 1, 1, 3}, {fewKept, 0, 0, 0},
		},
		// An exception is over with the next word on all, and stays over leaving, joining and a restart.
		"who is muted": {
			{"create", 0, 0, 1}, {"join", 1, 0, 0}, {"join", 2, 0, 0}, {"mute", 0, 0, 1}, {"up", 1, 0, 0}, {"up", 2, 0, 0}, {"hush", 0, 0, 0},
			{"up", 1, 0, 0}, {"unmute", 0, 0, 2}, {"up", 2, 0, 0}, {"leave", 2, 0, 0}, {"unmute", 0, 0, 2}, {"restart", 0, 0, 1}, {"join", 2, 0, 0},
			{"up", 2, 0, 0}, {"cut", 1, 0, 0}, {"up", 1, 0, 0}, {"unhush", 0, 0, 0}, {"mute", 0, 0, 2}, {"restore", 1, 0, 0}, {"up", 1, 0, 0},
			{"unhush", 0, 0, 0}, {"up", 2, 0, 0}, {"mute", 0, 0, 0},
		},
		// What the service has granted one who waits for a channel has expired when that comes: one is not in.
		"a grant that is over before there is a channel": {
			{"lease", 1, 0, 1}, {"knock", 1, 0, 1}, {"knock", 2, 0, 1}, {"sleep", 0, 0, 1}, {"create", 0, 0, 0}, {"up", 2, 0, 0},
		},
		// Who keeps its place at the door has what it was granted last.
		"a grant of one that keeps its place": {
			{"guard", 0, 0, 0}, {"knock", 1, 0, 0}, {"lease", 1, 0, 1}, {"ghost", 1, 0, 0}, {"sleep", 0, 0, 1}, {"knock", 1, 0, 0}, {"ghost", 1, 0, 0},
			{"lease", 1, 0, 0}, {"ghost", 1, 0, 0}, {"sleep", 0, 0, 1}, {"admit", 0, 0, 0},
		},
		// The connection of one who waits ends because of another membership on it: the wait goes on.
		"a wait outlasts what ends its connection": {
			{"guard", 0, 0, 0}, {"create", 3, 1, 0}, {"join", 2, 1, 0}, {"knock", 2, 0, 0}, {"take", 6, 1, 0}, {"admit", 0, 0, 0}, {"knock", 6, 0, 0},
			{"leave", 2, 0, 0}, {"knock", 6, 0, 0}, {"unsure", 6, 1, 1}, {"unsure", 6, 1, 1}, {"blink", 6, 0, 0}, {"admit", 0, 0, 0},
		},
		// Of those who wait for a channel, and at its door: each is let in as the one who has come, also where
		// its name was left and taken again.
		"who is let in is who has knocked": {
			{"knock", 1, 0, 1}, {"knock", 2, 0, 3}, {"knock", 6, 0, 1}, {"guard", 0, 0, 1}, {"giveup", 1, 0, 0}, {"knock", 5, 0, 0}, {"admit", 0, 0, 3},
			{"admit", 0, 0, 1}, {"swap", 2, 0, 0}, {"swap", 6, 0, 1}, {"door", 0, 0, 3}, {"knock", 3, 0, 0}, {"door", 0, 0, 0}, {"knock", 3, 0, 0},
			{"restart", 0, 0, 1}, {"door", 0, 0, 2}, {"door", 0, 0, 3}, {"leave", 3, 0, 0}, {"knock", 3, 1, 1}, {"guard", 0, 1, 3},
		},
		// The one who has left is told of, though nothing comes of what its new master has missed.
		"a new master does not wait for what does not come": {
			{"create", 0, 0, 0}, {"join", 1, 0, 0}, {"join", 2, 0, 0}, {"up", 2, 0, 0}, {"sleep", 0, 0, 1}, {"hand", 0, 0, 1}, {"cut", 1, 0, 0},
			{"leave", 2, 0, 0}, {"restore", 1, 0, 0}, {"up", 0, 0, 0}, {"hand", 0, 0, 0}, {"cut", 0, 0, 0}, {"leave", 1, 0, 0}, {"restore", 0, 0, 0},
		},
		// To and fro, with what is on its way, old tickets, attributes, voices and the door.
		"a mastership goes around": {
			{"create", 0, 0, 0}, {"join", 1, 0, 0}, {"join", 2, 0, 0}, {"set", 0, 0, 0}, {"set", 1, 0, 1}, {"mute", 0, 0, 1}, {"away", 0, 0, 0},
			{"handsend", 0, 0, 1}, {"oldticket", 4, 0, 0}, {"oldticket", 5, 0, 0}, {"up", 0, 0, 0}, {"set", 1, 0, 0}, {"handsend", 2, 0, 2}, {"up", 1, 0, 0},
			{"door", 0, 0, 0}, {"knock", 3, 0, 0}, {"setmaster", 0, 0, 1}, {"up", 0, 0, 0}, {"handboth", 0, 0, 0}, {"cut", 1, 0, 0}, {"setmaster", 0, 0, 0},
			{"restore", 1, 0, 0}, {"oldticket", 5, 0, 0}, {"broadcast", 0, 0, 0}, {"hush", 0, 0, 0}, {"handtie", 0, 0, 0}, {"restart", 0, 0, 1},
		},
		// One of the two is not told, and comes back: late, to another hub, or when there is another master by then.
		"who is told late of a hand-over": {
			{"create", 0, 0, 0}, {"join", 1, 0, 0}, {"join", 2, 0, 0}, {"handlost", 0, 0, 1}, {"up", 2, 0, 0}, {"up", 1, 0, 0}, {"restart", 0, 0, 1},
			{"restore", 1, 0, 0}, {"broadcast", 1, 0, 0}, {"handlost", 2, 0, 0}, {"restore", 1, 0, 0}, {"handlost", 0, 0, 1}, {"setmaster", 0, 0, 2},
			{"restore", 1, 0, 0}, {"handlost", 3, 0, 0}, {"restart", 0, 0, 1}, {"restore", 2, 0, 0}, {"handcut", 4, 0, 2}, {"handcut", 6, 0, 2}, {"handcut", 0, 1, 0},
		},
		"a send is too late": {{"create", 0, 0, 1}, {"join", 1, 0, 0}, {"cut", 1, 0, 0}, {"brief", 1, 0, 1}, {"brief", 1, 0, 3}, {"sleep", 0, 0, 0}, {"restore", 1, 0, 0}},
		// What expires while its receiver is away is a gap in its place: to a slave, to a master,
		// over a restart, and to another client, which is told all of it.
		"messages expire": {
			{"create", 0, 0, 1}, {"join", 1, 0, 0}, {"doze", 1, 0, 3}, {"restore", 1, 0, 0}, {"doze", 0, 0, 3}, {"restore", 0, 0, 0},
			{"doze", 5, 0, 3}, {"doze", 1, 0, 3}, {"restart", 0, 0, 1}, {"restore", 1, 0, 0}, {"seize", 5, 0, 0}, {"brief", 0, 0, 1}, {"brief", 1, 0, 1},
		},
	}
	for name, moves := range games {
		t.Run(name, func(t *testing.T) {
			if err := play(t, moves, map[string]int{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// shrink leaves out what the failure does not need: large parts first.
func shrink(t *testing.T, moves []move, err error) ([]move, error) {
	for size := len(moves) / 2; size > 0; {
		shorter := false
		for from := 0; from+size <= len(moves); {
			fewer := slices.Delete(slices.Clone(moves), from, from+size)
			if e := play(t, fewer, map[string]int{}); e != nil {
				moves, err, shorter = fewer, e, true
			} else {
				from += size
			}
		}
		if !shorter || size > len(moves) {
			size /= 2
		}
	}
	return moves, err
}

const (
	gameUsers    = 4
	gameChannels = 2
	gameMoves    = 150

	gameMasterTimeout = 30 * time.Second
	gameSlaveTimeout  = 10 * time.Second

	gameHandshakeTimeout = 10 * time.Second // the policy's default
)

// play plays the moves in a bubble, and returns the first difference.
func play(t *testing.T, moves []move, counts map[string]int) (failure error) {
	synctest.Test(t, func(t *testing.T) {
		g := &game{service: newService(), kept: 256, tickets: map[string]ticket{}, counts: counts, knocks: &knocks{of: map[string][]knock{}}}
		for _, m := range moves {
			switch m.kind {
			case fewKept:
				g.kept = 2
			case fewPlaces:
				g.places = 1 + m.n
			}
		}
		hub, err := lectern.NewHub(g.policy())
		if err != nil {
			t.Fatal(err)
		}
		for i := range gameChannels {
			g.stars = append(g.stars, &star{name: fmt.Sprint("channel_", i)})
		}
		for i := range 2 * gameUsers {
			p := &player{index: i, number: i % gameUsers, service: g.service, seats: map[*star]*seat{}, waits: map[*star]*entry{}, gate: make(chan struct{})}
			close(p.gate)
			// The shortest of pauses: a reconnect takes no time.
			p.client = lectern.NewClient(p, lectern.ClientOptions{MinBackoff: -1, MaxBackoff: -1, DialTimeout: gameDialTimeout})
			g.players = append(g.players, p)
		}
		g.serves(hub)
		failure = g.playAll(moves)
		for _, p := range g.players {
			if err := g.bye(p); failure == nil && err != nil {
				failure = fmt.Errorf("%s closes: %w", p.name(), err)
			}
		}
		if err := g.hub.Close(); failure == nil && err != nil {
			failure = err
		}
		if g.roster != nil { // else a restart has failed
			if err := g.roster.Wait(); failure == nil && err != nil {
				failure = err
			}
		}
		for _, p := range g.players {
			_ = p.listener.Close()
			p.cut(false)
		}
		// Whatever is left of a goroutine fails the bubble.
	})
	return failure
}

// bye closes a user's client.
func (g *game) bye(p *player) error {
	_ = p.client.Close()
	synctest.Wait()
	for _, e := range maps.Clone(p.waits) {
		if e.old == nil { // else it ends with that
			g.turnsAway(e, net.ErrClosed)
		}
	}
	for _, s := range maps.Clone(p.seats) {
		if p.offline {
			g.over(s, lectern.ErrLeft) // the hub is not told
		} else {
			g.leave(s)
		}
	}
	return g.compare()
}

func (g *game) playAll(moves []move) error {
	for _, m := range moves {
		began := time.Now()
		err := g.step(m)
		if err == nil && m.kind != "sleep" && m.kind != "doze" && m.kind != "due" && m.kind != "handtie" && m.kind != "restart" && m.kind != "crash" && time.Since(began) > 4 {
			err = fmt.Errorf("it took %v", time.Since(began))
		}
		if err == nil {
			// Not at the same instant: a pause of no length may need a tick.
			err = g.advance(1)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", m, err)
		}
	}
	return nil
}

// advance lets time pass. On the way, it looks at everything just before each
// deadline and at it.
func (g *game) advance(d time.Duration) error {
	if d < 0 {
		d = 0
	}
	end := time.Now().Add(d)
	for {
		next := g.nextDeadline()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.Before(time.Now()) {
			return fmt.Errorf("something was to happen at %v, and is to happen still", next)
		}
		if wait := time.Until(next) - 1; wait > 0 {
			if err := g.settle(wait); err != nil {
				return fmt.Errorf("before a deadline: %w", err)
			}
			if err := g.compare(); err != nil {
				return fmt.Errorf("before a deadline: %w", err)
			}
		}
		if err := g.settle(time.Until(next)); err != nil {
			return err
		}
		g.expire(time.Now())
		if err := g.compare(); err != nil {
			return fmt.Errorf("at a deadline: %w", err)
		}
	}
	if err := g.settle(time.Until(end)); err != nil {
		return err
	}
	return g.compare()
}

func (g *game) settle(d time.Duration) error {
	time.Sleep(d)
	synctest.Wait()
	return nil
}
