package model

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// game is one play: the users, and what the model knows.
type game struct {
	hub *lectern.Hub
	// down: there is none. hubs counts those that have left nothing.
	down    bool
	hubs    int
	service *service
	// roster is what the hub's events tell of.
	roster *stage.Roster
	// kept is how many messages a channel keeps in each direction, and places how many slaves it
	// may have, or zero: as many as there are.
	kept    uint64
	places  int
	players []*player
	stars   []*star
	// attempts are those to enter that have waited, and have not been compared in the end. knocks are
	// those at each channel, as the hub's events tell.
	attempts []*entry
	knocks   *knocks
	// failed is what was wrong where it was found, or nil.
	failed error
	// seats are all memberships there have ever been.
	seats []*seat
	// tickets are those that were used last, by the name of channel and user.
	tickets map[string]ticket
	sent    int
	// counts is how often something has happened that a game is about.
	counts map[string]int
}

// star is the model of a channel. Its master is nil while it does not exist.
type star struct {
	name   string
	x      time.Duration
	master *seat
	slaves map[int]*seat
	banned map[int]bool
	// door is what becomes of who joins. knocks are all that there ever were, and atDoor those who wait
	// there, in their order. awaiting are those who wait for the channel to be created.
	door     lectern.Door
	knocks   []knock
	atDoor   []*entry
	awaiting []*entry
	// quiet: all slaves are muted but the exceptions, by their numbers, the oldest first.
	quiet      bool
	exceptions []int
	away       bool
	deadline   time.Time
	// down and up are the numbers that were given last, to messages and changes of attributes,
	// and downKept and upKept those of the messages.
	down, up         uint64
	downKept, upKept []uint64
	// confirmed is the number up to which the master has told that it has got everything,
	// and lost that of the newest message to it that is not kept any more. unconfirmed is what
	// the master has got since it has told, and tells at the time tells at the latest.
	confirmed, lost uint64
	// nobodys are the numbers of messages that the master does not get: it has sent them as a slave.
	nobodys     map[uint64]bool
	unconfirmed int
	tells       time.Time
}

// seat is the model of a membership, and the handle that it is compared with.
type seat struct {
	user *player
	star *star
	// chief: it is a master's. The handle is nil until the user has it.
	chief  bool
	master *lectern.Master
	slave  *lectern.Slave
	// behind is the seat of which the user still has the handle, since it has not been told of a hand-over,
	// and handing is the hand-over that it waits for, where it was the master.
	behind  *seat
	heir    *seat // the reverse
	handing *handing
	// promoted: the handle has ended by a hand-over. given: its user is told so when it is back.
	promoted, given bool
	// in: the hub has it. deadline is when it gives up a slave that is offline.
	in       bool
	deadline time.Time
	// entered is when the hub let it in.
	entered time.Time
	// lifeline is when the client gives up, while it is offline.
	lifeline time.Time
	// expires is until when the service lets the member be one.
	expires time.Time
	// of is the membership, and next the seat that has it after this one.
	of   *membership
	next *seat
	// holders and secrets are which client of the membership it is, and which secret it has.
	holders, secrets int
	// end is why the handle has ended.
	end error
	// messages are all that are for it; so many were delivered while it could
	// be reached. last is the number of the last of these.
	messages  []heard
	delivered int
	last      uint64
	// waiting are the sends made while offline.
	waiting []*sending

	mu     sync.Mutex
	seen   []string
	roster map[string]lectern.State
	// told are the attributes of others that its events have told of, by name and key.
	told map[string]map[string]string
	// quiet: it is muted, and follows is its master, as its events have told.
	quiet   bool
	follows string
	// knocking are those who wait at a master's door, as its events have told, by their numbers.
	knocking map[uint64]string
}

// sending is one send, and its outcome.
type sending struct {
	to   int // or toAll, toMaster
	text string
	// lasts is for how long it is worth something from its call on, which ends at end. Zero: it
	// does not expire.
	lasts time.Duration
	end   time.Time
	lectern.Receipt
	err    error
	done   bool
	expect error
	// number is the one that it has to have, and slaves to how many it was queued.
	number uint64
	slaves int
}

const (
	toAll    = -1
	toMaster = -2
)

// isLate reports whether the time of the send is over.
func (one *sending) isLate(now time.Time) bool { return one.lasts > 0 && !now.Before(one.end) }

// refusal is why the model does not let a user in as a slave, nor to the door.
func (g *game) refusal(p *player, c *star, expect string) error {
	switch {
	case p.isIn(c):
		return lectern.ErrForbidden // the client knows by itself
	case p.service.isRefusing(p):
		return lectern.ErrUnauthorized
	}
	return g.ruledOut(p, c, expect)
}

// ruledOut is why the rules do not let a user in as a slave, nor to the door.
func (g *game) ruledOut(p *player, c *star, expect string) error {
	switch {
	case c.master == nil:
		return lectern.ErrNoSuchChannel
	case expect != "" && expect != c.master.user.name():
		return lectern.ErrWrongMaster
	case c.banned[p.number]:
		return lectern.ErrBanned
	case c.slaves[p.number] != nil || c.master.user.number == p.number || c.knockOf(p.number) != nil:
		return lectern.ErrNameTaken
	case c.door == lectern.DoorLocked:
		return lectern.ErrLocked
	case g.isFull(c):
		return lectern.ErrChannelFull
	}
	return nil
}

// deliver is what the model makes of a send that reaches the hub.
func (g *game) deliver(s *seat, one *sending) {
	if s.chief && !one.isLate(time.Now()) { // what is too late is not sent
		g.tells(s.star)
	}
	g.accept(s, one)
}

// accept is deliver of one that tells nothing: it was written before what the master has missed has come.
func (g *game) accept(s *seat, one *sending) {
	if !s.chief && s.star.muted(s.user.number) && !one.isLate(time.Now()) {
		g.counts["a muted send was refused"]++
		one.expect = lectern.ErrMuted
		return
	}
	g.deliverFrom(s.user.name(), s.of, s.star, one)
}

// deliverFrom is the outcome of a send of the service too, which has no name.
func (g *game) deliverFrom(name string, by *membership, c *star, one *sending) {
	line := name + ": " + one.text
	now, end := time.Now(), time.Time{}
	if one.isLate(now) {
		g.counts["a send was too late"]++
		one.expect = lectern.ErrTooLate
		return
	}
	if one.lasts > 0 {
		// What is left travels in whole milliseconds, rounded up.
		end = now.Add((one.end.Sub(now) + time.Millisecond - 1).Truncate(time.Millisecond))
	}
	switch one.to {
	case toMaster:
		if g.isBusy(c) {
			g.counts["busy"]++
			one.expect = lectern.ErrBusy
			return
		}
		c.up++
		c.upKept = append(c.upKept, c.up)
		one.number = c.up
		g.gets(c.master, heard{c.up, line, end, by})
	case toAll:
		c.down++
		c.downKept = append(c.downKept, c.down)
		one.number = c.down
		for _, slave := range c.slaves {
			one.slaves += slave.connected()
			g.gets(slave, heard{c.down, line, end, by})
		}
	default:
		slave := c.slaves[one.to]
		if slave == nil {
			one.expect = lectern.ErrNoSuchSlave
			return
		}
		c.down++
		c.downKept = append(c.downKept, c.down)
		one.number, one.slaves = c.down, slave.connected()
		g.gets(slave, heard{c.down, line + " (private)", end, by})
	}
}

// connected is 1 for a slave that the hub knows to be on a connection, and else 0.
func (s *seat) connected() int {
	if s.user.offline || !s.deadline.IsZero() {
		return 0
	}
	return 1
}

// reachable: the hub can tell the handle something. One that has given up the
// hub is not, though the hub may not have given it up yet.
func (s *seat) reachable() bool { return !s.user.offline && !s.user.ejected && s.end == nil }

// lost is a user's going offline.
func (g *game) lost(p *player) {
	for c, s := range p.seats {
		s.lifeline = time.Now().Add(c.x)
		if s.chief && s.in {
			g.silent(c)
		}
		if !s.chief {
			s.deadline = time.Now().Add(gameSlaveTimeout)
		} else if s.in && !c.away {
			c.away, c.deadline = true, time.Now().Add(c.x)
		}
	}
	g.waitsNowhere(p)
}

// resumed is a user's coming back.
func (g *game) resumed(p *player) {
	defer g.waitsAgain(p)
	for c, s := range maps.Clone(p.seats) {
		s.lifeline, s.deadline = time.Time{}, time.Time{}
		if !s.in && s.given && s.of.hub == g.hubs {
			if err := s.handing.compare(nil); err != nil {
				g.fails("%v: %w", s, err)
			}
			g.counts["was told late that it has left by a hand-over"]++
			g.over(s, lectern.ErrHandedOver)
			continue
		}
		if !s.in {
			g.over(s, s.refusal(g.hubs))
			continue
		}
		if g.service.isRefusing(p) {
			g.revoke(s)
			continue
		}
		g.granted(s)
		g.catchUp(s)
		if s.chief {
			c.away = false
		}
		if s.behind != nil {
			g.learns(s)
		}
	}
}

// leave is a leave on purpose.
func (g *game) leave(s *seat) {
	if s.chief {
		g.close(s.star, lectern.ErrMasterLeft)
		s.end = lectern.ErrLeft
		return
	}
	g.out(s, lectern.ErrLeft)
}

// out takes a member out of its channel. One that is offline does not learn of it.
func (g *game) out(s *seat, why error) {
	s.in = false
	s.expires = time.Time{}
	s.deadline = time.Time{}
	if s.star.slaves[s.user.number] == s {
		delete(s.star.slaves, s.user.number)
	}
	if s.reachable() {
		if why != lectern.ErrLeft {
			s.user.ended = time.Now()
		}
		g.over(s, why)
	}
}

// over is the end of a handle, and of the sends that wait in it.
func (g *game) over(s *seat, why error) {
	s.end = why
	s.lifeline = time.Time{}
	delete(s.user.seats, s.star)
	if s.behind != nil { // it is the handle that its user has
		s.behind.end, s.behind.heir = why, nil
	}
	for _, e := range s.user.waits {
		if e.old == s {
			g.turnsAway(e, why) // nothing is left to switch from
		}
	}
}

// close is the end of a channel.
func (g *game) close(c *star, why error) { g.closeWith(c, why, why) }

// closeWith is close where the master is told something else.
func (g *game) closeWith(c *star, why, masters error) {
	for _, e := range slices.Clone(c.atDoor) {
		g.turnsAway(e, why)
	}
	for _, s := range c.slaves {
		g.out(s, why)
	}
	g.out(c.master, masters)
	c.master, c.slaves, c.away = nil, nil, false
	for _, s := range g.seats {
		s.given = s.given && s.star != c // nobody remembers
	}
}

// nextDeadline is when time alone has the next effect.
func (g *game) nextDeadline() time.Time {
	var next time.Time
	consider := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, s := range g.seats {
		consider(s.lifeline)
	}
	for _, e := range g.attempts {
		consider(e.ends)
	}
	if g.down {
		return next
	}
	for _, c := range g.stars {
		if c.master != nil && c.away {
			consider(c.deadline)
		}
	}
	for _, s := range g.seats {
		consider(s.deadline)
		consider(s.expires)
	}
	return next
}

func (g *game) expire(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if !g.down {
		g.expireAtHub(now, due)
	}
	for _, s := range g.seats {
		if due(s.lifeline) {
			g.over(s, lectern.ErrMasterDown)
		}
	}
}

// expireAtHub is what the hub does at that time.
func (g *game) expireAtHub(now time.Time, due func(time.Time) bool) {
	var ejected []*player
	for _, e := range g.attempts {
		if due(e.ends) {
			g.waitedTooLong(e)
		}
	}
	for _, s := range g.seats {
		if due(s.expires) && g.expires(s, now) {
			ejected = append(ejected, s.user)
		}
	}
	for _, s := range g.seats {
		if due(s.deadline) {
			g.out(s, nil)
		}
	}
	for _, c := range g.stars {
		if c.master != nil && c.away && due(c.deadline) {
			g.close(c, lectern.ErrMasterDown)
		}
	}
	for _, p := range ejected { // they come back at once
		p.ejected = false
		g.resumed(p)
	}
}

func (s *seat) String() string { return s.user.name() + " in " + s.star.name }
