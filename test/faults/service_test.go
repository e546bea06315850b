package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
)

// faultService is the service behind the hub. It lets the users of some rounds in for a few
// seconds at a time, cannot say at some resumes whether it lets them back, and does not let
// some back at all. mu guards the fields.
type faultService struct {
	choice faultChoice
	random *rand.Rand

	mu sync.Mutex
	// calm: the round is about to end. Everybody is let in for good.
	calm    bool
	rulings []ruling
}

// ruling is what the service has said.
type ruling struct {
	at      time.Time
	who     string // channel and user
	op      lectern.Operation
	until   time.Time // zero: for ever
	refused bool
}

// takesOver is the token of who wants its seat back from another client.
const takesOver = "from the other one"

var errCannotSay = errors.New("the service cannot say")

func whoIn(channel, name string) string { return channel + ", " + name }

func (s *faultService) authorize(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	if r.Operation == lectern.OpMaster {
		s.hesitates(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	granted := lectern.Identity{AsAsked: true, TakeOver: r.Token == takesOver && r.Operation == lectern.OpJoin}
	granted.Data = fmt.Append(nil, len(s.rulings)) // another one each time
	steady := s.choice.steady && r.Username == "alice"
	if s.calm || steady || r.Username == witnessName || r.Username == "mallory" {
		s.rulings = append(s.rulings, ruling{at: time.Now(), who: whoIn(r.Channel, r.Username), op: r.Operation})
		return granted, nil
	}
	rules := ruling{at: time.Now(), who: whoIn(r.Channel, r.Username), op: r.Operation}
	if s.choice.doubts && r.Operation == lectern.OpResume {
		switch n := s.random.IntN(40); {
		case n < 5:
			return lectern.Identity{}, errCannotSay
		case n == 5:
			rules.refused = true
			s.rulings = append(s.rulings, rules)
			return lectern.Identity{}, lectern.ErrUnauthorized
		}
	}
	if s.choice.doubts && r.Operation == lectern.OpMaster {
		switch s.random.IntN(10) {
		case 0:
			return lectern.Identity{}, errCannotSay
		case 1:
			return lectern.Identity{}, lectern.ErrUnauthorized
		}
	}
	if s.choice.leases {
		granted.Expires = time.Now().Add(faultLease/2 + time.Duration(s.random.Int64N(int64(faultLease))))
		rules.until = granted.Expires
	}
	s.rulings = append(s.rulings, rules)
	return granted, nil
}

// hesitates takes a moment, in which things happen to the two of a hand-over.
func (s *faultService) hesitates(ctx context.Context) {
	s.mu.Lock()
	wait := time.Duration(max(s.random.Int64N(int64(200*time.Millisecond))-int64(100*time.Millisecond), 0))
	s.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
}

// faultLease is about how long the users of some rounds are let in for.
const faultLease = 3 * time.Second

func (s *faultService) calmsDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calm = true
}

// lets reports whether the user may have been a member at that time, by what the service had
// said until the time by.
func (s *faultService) lets(who string, at, by time.Time) bool {
	asked := false
	for _, r := range s.rulings {
		if r.who != who || r.at.After(by) || r.refused {
			continue
		}
		if asked = true; r.until.IsZero() || at.Before(r.until) {
			return true
		}
	}
	return !asked
}

// expires reports whether the user was let in until that time.
func (s *faultService) expires(who string, at time.Time) bool {
	for _, r := range s.rulings {
		if r.who == who && r.until.Equal(at) {
			return true
		}
	}
	return false
}

// expired reports whether something that the user was granted had expired by that time.
func (s *faultService) expired(who string, at time.Time) bool {
	for _, r := range s.rulings {
		if r.who == who && !r.until.IsZero() && !at.Before(r.until) {
			return true
		}
	}
	return false
}

// hasEnded is expired for the present, while the round goes on.
func (s *faultService) hasEnded(who string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired(who, time.Now())
}

// refused reports whether the user was not let back at that time, or before it.
func (s *faultService) refused(who string, at time.Time, exactly bool) bool {
	for _, r := range s.rulings {
		if r.who == who && r.refused && (r.at.Equal(at) || !exactly && r.at.Before(at)) {
			return true
		}
	}
	return false
}

// verifyGrants: nothing is accepted from a member and nothing sent to it after what the
// service has granted has expired, and who ends for that ends when it has.
func (s *faultSeat) verifyGrants(all map[string]*sent) error {
	service := s.life.round.service
	who := whoIn(s.life.channel, s.name)
	for _, one := range s.sends {
		if one.err == nil && !service.lets(who, one.began, one.done) {
			return fmt.Errorf("%q was accepted, begun at %v, when nothing was granted any more", one.text, one.began)
		}
	}
	if !s.isMaster() {
		for _, e := range s.events {
			m, ok := e.event.(lectern.Message)
			if one := all[textOf(m)]; ok && one != nil && one.err == nil && !service.lets(who, one.began, one.done) {
				return fmt.Errorf("%q came, begun at %v, when nothing was granted any more", one.text, one.began)
			}
		}
	}
	if s.isMaster() && s.life.round.steady {
		for _, e := range s.events {
			p, ok := e.event.(lectern.Presence)
			if ok && p.State == lectern.StateGone && strings.Contains(p.Reason, "expired") && !service.expires(whoIn(s.life.channel, p.Username), e.at) {
				return fmt.Errorf("%s has expired at %v, which was granted to nobody", p.Username, e.at)
			}
		}
	}
	return nil
}
