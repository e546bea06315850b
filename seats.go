package lectern

// seats are a connection's memberships by channel, those being asked for
// included. Most connections have one, for which a map would take up ten times as
// much.
type seats struct {
	few  []seat
	many map[string]*attachment // in the place of few where there are more than fewSeats
}

type seat struct {
	channel string
	at      *attachment
}

const fewSeats = 8

func (s *seats) count() int { return len(s.few) + len(s.many) }

// get returns the attachment that has the channel's seat, or nil.
func (s *seats) get(channel string) *attachment {
	for _, seat := range s.few {
		if seat.channel == channel {
			return seat.at
		}
	}
	return s.many[channel]
}

func (s *seats) set(channel string, a *attachment) {
	for i := range s.few {
		if s.few[i].channel == channel {
			s.few[i].at = a
			return
		}
	}
	switch {
	case s.many != nil:
		s.many[channel] = a
	case len(s.few) < fewSeats:
		s.few = append(s.few, seat{channel, a})
	default:
		s.many = make(map[string]*attachment)
		for _, seat := range s.few {
			s.many[seat.channel] = seat.at
		}
		s.many[channel] = a
		s.few = nil
	}
}

func (s *seats) remove(channel string) {
	for i := range s.few {
		if s.few[i].channel == channel {
			last := len(s.few) - 1
			s.few[i], s.few[last] = s.few[last], seat{}
			s.few = s.few[:last]
			return
		}
	}
	delete(s.many, channel)
}

// all returns every attachment, in any order.
func (s *seats) all() []*attachment {
	all := make([]*attachment, 0, s.count())
	for _, seat := range s.few {
		all = append(all, seat.at)
	}
	for _, a := range s.many {
		all = append(all, a)
	}
	return all
}
