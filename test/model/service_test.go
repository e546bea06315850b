package model

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
)

// service is the service behind the hub, as the moves want it: which user it lets in, until
// when, and whether it can say so. mu guards the fields.
type service struct {
	mu      sync.Mutex
	leases  map[string]time.Duration // by user
	refused map[string]bool
	// unsure is how many of the next resumes and refreshes get no answer.
	unsure map[string]int
	// seizes: the next create or join takes a seat over.
	seizes bool
	// until is what was granted last, by channel and user, and asked is when.
	until  map[string]time.Time
	asked  map[string]time.Time
	grants time.Duration
}

func newService() *service {
	return &service{leases: map[string]time.Duration{}, refused: map[string]bool{}, unsure: map[string]int{}, until: map[string]time.Time{}, asked: map[string]time.Time{}}
}

var errCannotSay = errors.New("the service cannot say")

func (s *service) authorize(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused[r.Username] {
		return lectern.Identity{}, lectern.ErrUnauthorized
	}
	entering := r.Operation == lectern.OpCreate || r.Operation == lectern.OpJoin
	if !entering && s.unsure[r.Username] > 0 {
		s.unsure[r.Username]--
		return lectern.Identity{}, errCannotSay
	}
	granted := lectern.Identity{AsAsked: true, TakeOver: s.seizes && entering}
	s.seizes = s.seizes && !entering
	key, now := r.Channel+" "+r.Username, time.Now()
	if lease := s.leases[r.Username]; lease > 0 {
		if granted.Expires = s.until[key]; granted.Expires.IsZero() || !s.asked[key].Equal(now) {
			s.grants++ // no two expire at the same instant
			granted.Expires = now.Add(lease + 100*s.grants)
		}
		// Both of a user's clients may ask at one instant, and it is open which one the hub
		// lets in last: they are granted the same.
	}
	s.until[key], s.asked[key] = granted.Expires, now
	return granted, nil
}

// lets the user be a member for so long at a time, or with 0 for ever.
func (s *service) lets(p *player, lease time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases[p.name()] = lease
}

func (s *service) refuses(p *player, refuses bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[p.name()] = refuses
}

func (s *service) isRefusing(p *player) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused[p.name()]
}

func (s *service) isUnsure(p *player, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure[p.name()] = times
}

// cannotSay reports whether the user's next resume or refresh gets no answer.
func (s *service) cannotSay(p *player) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsure[p.name()] > 0
}

func (s *service) seizing(seizes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seizes = seizes
}

// granted takes over what the service has said of the member just now.
func (g *game) granted(s *seat) {
	s.expires = g.service.grantedUntil(s)
}

func (s *service) grantedUntil(of *seat) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until[of.star.name+" "+of.user.name()]
}

// expires is the instant until which the member was granted its seat. It reports whether
// the hub has closed the connection of its user.
func (g *game) expires(s *seat, now time.Time) (ejected bool) {
	s.expires = time.Time{}
	if !s.chief {
		g.counts["slave expired"]++
		g.out(s, lectern.ErrExpired)
		return false
	}
	if !s.star.away {
		s.star.away, s.star.deadline = true, now.Add(s.star.x)
	}
	if s.user.offline {
		return false
	}
	for c, other := range s.user.seats {
		if other.chief && other.in {
			g.silent(c)
		}
	}
	g.counts["master expired"]++
	s.user.ejected, s.user.ended = true, now
	return true
}

// revoke is what becomes of a member that the service does not let back.
func (g *game) revoke(s *seat) {
	g.counts["revoked"]++
	if !s.chief {
		g.out(s, lectern.ErrRevoked)
		return
	}
	g.closeWith(s.star, lectern.ErrMasterDown, lectern.ErrRevoked)
}

// refresh shows the service that the member is there.
func (g *game) refresh(ctx context.Context, s *seat) error {
	var expected error
	switch {
	case g.service.isRefusing(s.user):
		expected = lectern.ErrUnauthorized
	case g.service.cannotSay(s.user):
		expected = lectern.ErrBusy
	}
	var err error
	if s.chief {
		g.tells(s.star)
		err = s.master.Refresh(ctx, "")
	} else {
		err = s.slave.Refresh(ctx, "")
	}
	if err := same(err, expected); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	if expected == nil {
		g.counts["refreshed"]++
		g.granted(s)
	}
	return nil
}

// speak sends in the name of the service: to all, to the master, or to a user who may be a slave.
func (g *game) speak(ctx context.Context, c *star, n int) error {
	channel, ok := g.hub.Channel(c.name)
	if !ok {
		return nil // which is compared
	}
	one := &sending{to: n, text: g.text(), done: true}
	payload := lectern.Text(one.text)
	switch {
	case n == 0:
		one.to = toAll
		one.Receipt, one.err = channel.Broadcast(ctx, payload)
	case n == 1, n == c.master.user.number:
		one.to = toMaster
		one.Receipt, one.err = channel.Send(ctx, c.master.user.name(), payload)
	default:
		one.Receipt, one.err = channel.Send(ctx, fmt.Sprint("user_", n), payload)
	}
	g.deliverFrom("", nil, c, one)
	g.counts["the service spoke"]++
	return one.compare()
}
