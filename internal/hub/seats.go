package hub

// seats are a connection's memberships by channel, those being asked for
// included. Most connections have one, for which a map would take up ten times as
// much.
type seats struct {
	few  []place
	many map[string]*seat // in the place of few where there are more than fewSeats
}

type place struct {
	channel string
	seat    *seat
}

const fewSeats = 8

func (s *seats) count() int { return len(s.few) + len(s.many) }

// get returns the seat of the channel, or nil.
func (s *seats) get(channel string) *seat {
	for _, p := range s.few {
		if p.channel == channel {
			return p.seat
		}
	}
	return s.many[channel]
}

func (s *seats) set(channel string, a *seat) {
	for i := range s.few {
		if s.few[i].channel == channel {
			s.few[i].seat = a
			return
		}
	}
	switch {
	case s.many != nil:
		s.many[channel] = a
	case len(s.few) < fewSeats:
		s.few = append(s.few, place{channel, a})
	default:
		s.many = make(map[string]*seat)
		for _, p := range s.few {
			s.many[p.channel] = p.seat
		}
		s.many[channel] = a
		s.few = nil
	}
}

func (s *seats) remove(channel string) {
	for i := range s.few {
		if s.few[i].channel == channel {
			last := len(s.few) - 1
			s.few[i], s.few[last] = s.few[last], place{}
			s.few = s.few[:last]
			return
		}
	}
	delete(s.many, channel)
}

// all returns every seat, in any order.
func (s *seats) all() []*seat {
	all := make([]*seat, 0, s.count())
	for _, p := range s.few {
		all = append(all, p.seat)
	}
	for _, a := range s.many {
		all = append(all, a)
	}
	return all
}
