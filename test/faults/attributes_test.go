package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is the attributes of the members in a round: each seat changes its own all the time,
// and when everybody is back, everybody sees exactly what there is.

// change is a change of an attribute, and what its sender was told of it.
type change struct {
	key, value string // deleted where it is empty
	err        error
}

const attributeKeys = 3

// change changes the seat's attributes for as long as the round goes on.
func (r *faultRound) change(s *faultSeat, random *rand.Rand) {
	for n := 0; r.acting.Err() == nil; n++ {
		h := s.present()
		if h == nil {
			return
		}
		patience := faultPatience
		if random.IntN(5) == 0 {
			patience = 50 * time.Millisecond
		}
		one := &change{key: fmt.Sprint("key ", random.IntN(attributeKeys)), value: s.text("attribute", n)}
		if random.IntN(3) == 0 {
			one.value = ""
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		s.set(ctx, h, one)
		cancel()
		pause(random, 120*time.Millisecond)
	}
}

func (s *faultSeat) set(ctx context.Context, h membershipHandle, one *change) {
	if one.value == "" {
		one.err = h.DeleteAttribute(ctx, one.key)
	} else {
		one.err = h.SetAttribute(ctx, one.key, lectern.Text(one.value))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = append(s.changes, one)
}

// possible are the values that an attribute of the seat can have: the one that was accepted last,
// and those behind it of which nobody was told what has become. Where none was accepted, the user
// may have its former seat again (TakeOver), with what the attribute had there. A master has what
// those had who were it before, and who hands over, or becomes the master, has none as a slave.
func (s *faultSeat) possible(key string) []string {
	values := []string{""}
	seats := s.life.seats
	if s.isMaster() {
		seats = s.life.masters()
	}
	for _, former := range seats {
		switch {
		case former.isMaster() && !s.isMaster() && former.name == s.name:
			values = []string{""}
			continue
		case former.isMaster() != s.isMaster(), !s.isMaster() && former.name != s.name:
			continue
		}
		former.mu.Lock()
		for _, one := range former.changes {
			switch {
			case one.key != key:
			case one.err == nil && (former == s || s.isMaster()):
				values = []string{one.value}
			case one.err == nil || errors.Is(one.err, lectern.ErrSendUnknown):
				values = append(values, one.value)
			}
		}
		former.mu.Unlock()
		if former == s {
			break
		}
	}
	return values
}

// lastChanges has everybody who is there set one attribute more, which has to work, and holds what
// each sees of the others against what these have set.
func (r *faultRound) lastChanges() {
	if !r.sets {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for s := range r.remaining() {
		if h := s.present(); h != nil && h.Err() == nil {
			one := &change{key: "last", value: s.text("last attribute", 0)}
			if s.set(ctx, h, one); one.err != nil && h.Err() == nil {
				r.fail("%v: the last attribute: %w", s, one.err)
			}
		}
	}
}

// checkAttributes is called when what was set last must have arrived.
func (r *faultRound) checkAttributes() {
	if !r.sets {
		return
	}
	for watcher := range r.remaining() {
		if h := watcher.present(); h != nil && h.Err() == nil {
			own := textsOf(h.Attributes())
			for _, key := range []string{"key 0", "key 1", "key 2", "last"} {
				if possible := watcher.possible(key); !slices.Contains(possible, own[key]) {
					r.fail("%v has %s as %q by its own account, and not as one of %q", watcher, key, own[key], possible)
				}
			}
		}
		for other := range r.remaining() {
			h := watcher.present()
			if watcher.life != other.life || watcher.isMaster() == other.isMaster() || h == nil || h.Err() != nil || other.present() == nil || other.present().Err() != nil {
				continue
			}
			values := watcher.attributesOf(h, other)
			for _, key := range []string{"key 0", "key 1", "key 2", "last"} {
				if possible := other.possible(key); !slices.Contains(possible, values[key]) {
					r.fail("%v sees %s of %v as %q, and not as one of %q", watcher, key, other, values[key], possible)
				}
			}
		}
	}
}

// attributesOf are the attributes of the other one as the seat sees them.
func (s *faultSeat) attributesOf(h membershipHandle, other *faultSeat) map[string]string {
	var attributes map[string]lectern.Payload
	if master, ok := h.(*lectern.Master); ok {
		attributes = master.AttributesOf(other.name)
	} else {
		attributes = h.(*lectern.Slave).MasterAttributes()
	}
	return textsOf(attributes)
}

func textsOf(attributes map[string]lectern.Payload) map[string]string {
	values := make(map[string]string, len(attributes))
	for key, value := range attributes {
		values[key] = value.Text()
	}
	return values
}

// verifyAttributes: each change that the seat was told of was set by the member that it is of, and
// on one connection they have come in the order of their numbers, with the messages.
func (s *faultSeat) verifyAttributes() error {
	set := map[string]bool{}
	for _, seat := range s.life.seats {
		for _, one := range seat.changes {
			set[one.value] = true
		}
	}
	last, floor := uint64(0), s.floor()
	for _, e := range s.events {
		if e.reconnects() {
			last = 0 // what is told anew may have lower numbers
		}
		if m, ok := e.event.(lectern.Message); ok && (m.RequestID == 0 || m.Seq > floor) { // what is asked still is in front
			if m.Seq < last {
				return fmt.Errorf("message %d came behind the change %d", m.Seq, last)
			}
			last = m.Seq
		}
		a, ok := e.event.(lectern.Attribute)
		switch {
		case !ok:
		case !a.Deleted && !set[a.Value.Text()]:
			return fmt.Errorf("%s of %s has the value %q, which nobody has set", a.Key, a.From, a.Value.Text())
		case a.Seq < last:
			return fmt.Errorf("a change of %s of %s has the number %d, after %d", a.Key, a.From, a.Seq, last)
		default:
			last = a.Seq
		}
	}
	return nil
}
