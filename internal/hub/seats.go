package hub

// seats has the seats of a connection by channel, including seats whose membership is not
// decided yet. It is a slice while there are few: most connections have one seat, and a
// map for it would take ten times the memory.
type seats struct {
	few  []place
	many map[string]*seat // used instead of few for more than fewSeats
}

// place is one entry of few.
type place struct {
	channel string
	seat    *seat
}

// fewSeats is how many seats few may have.
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

// set adds a seat, or replaces the one in the same channel.
func (s *seats) set(channel string, added *seat) {
	for i := range s.few {
		if s.few[i].channel == channel {
			s.few[i].seat = added
			return
		}
	}
	switch {
	case s.many != nil:
		s.many[channel] = added
	case len(s.few) < fewSeats:
		s.few = append(s.few, place{channel, added})
	default:
		s.many = make(map[string]*seat)
		for _, p := range s.few {
			s.many[p.channel] = p.seat
		}
		s.many[channel] = added
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

// each yields every seat, in any order.
func (s *seats) each(yield func(*seat) bool) {
	for _, p := range s.few {
		if !yield(p.seat) {
			return
		}
	}
	for _, seat := range s.many {
		if !yield(seat) {
			return
		}
	}
}

// all returns every seat, in any order.
func (s *seats) all() []*seat {
	all := make([]*seat, 0, s.count())
	for seat := range s.each {
		all = append(all, seat)
	}
	return all
}
