package cluster

import (
	"errors"
	"time"

	"github.com/lectern-go/lectern"
)

// switches has a slave go over to the other channel, or returns nil where it is out.
func (s *seat) switches(h *lectern.Slave) (*seat, *lectern.Slave) {
	r := s.life.round
	to := r.other(s.life)
	if to == nil {
		return s, h
	}
	s.begins()
	for {
		ctx, cancel := r.patient()
		began := time.Now()
		r.note("%s switches from %s to %s", s.name, s.life.channel, to.channel)
		next, err := h.Switch(ctx, to.channel)
		cancel()
		switch {
		case err == nil:
			return to.seated(s.user, next, began), next
		case h.Err() != nil || r.hasFailed():
			return nil, nil
		case !errors.Is(err, lectern.ErrBusy):
			r.fail("%s switches from %s to %s at %v: %w", s.name, s.life.channel, to.channel, r.since(began), err)
			return nil, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// other is the other channel, where there is one.
func (r *round) other(than *life) *life {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lives {
		if l.row != than.row {
			return l
		}
	}
	return nil
}
