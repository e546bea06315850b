package socketio

// An asking is a request that the client was sent and has not answered: its acknowledgement says
// neither in which channel it was asked, nor by whom.
type asking struct {
	id      uint64 // of the acknowledgement
	number  uint64 // of the request
	channel string
	from    string // the slave that has asked a master, empty otherwise
}

// asked are those of a socket, the newest last. The oldest make way.
type asked struct {
	all  []asking
	next uint64 // an id for where a request's own is another's already
}

const (
	maxAsked = 1024
	// ownIDs are ids beyond the numbers of requests.
	ownIDs = 1 << 50
)

// ask notes a request, and returns the id of its acknowledgement: its own number wherever that
// says enough, so that one packet is for all. master: it is the master who is asked. The lock is
// held.
func (s *state) ask(t *translation, master bool) (id uint64) {
	if s.asked == nil {
		if !master && len(s.seats) <= 1 {
			return t.request // the master's, of the one channel
		}
		s.asked = new(asked)
	}
	return s.asked.add(t, master)
}

func (a *asked) add(t *translation, master bool) (id uint64) {
	id = t.request
	asking := asking{id: id, number: id, channel: t.channel}
	if master {
		asking.from = t.from
	}
	for i, other := range a.all {
		switch {
		case other.id != id:
		case other.channel == asking.channel && other.from == asking.from:
			a.all = append(a.all[:i], a.all[i+1:]...) // it is asked again
		default:
			a.next++
			asking.id = ownIDs + a.next
		}
		if other.id == id {
			break
		}
	}
	if len(a.all) >= maxAsked {
		a.all = append(a.all[:0], a.all[1:]...)
	}
	a.all = append(a.all, asking)
	return asking.id
}

// take drops the request of the id, and reports false where there is none.
func (a *asked) take(id uint64) (asking, bool) {
	if a == nil {
		return asking{}, false
	}
	for i := len(a.all) - 1; i >= 0; i-- {
		if found := a.all[i]; found.id == id {
			a.all = append(a.all[:i], a.all[i+1:]...)
			return found, true
		}
	}
	return asking{}, false
}

// forget drops those of a channel that is left.
func (a *asked) forget(channel string) {
	if a == nil {
		return
	}
	kept := a.all[:0]
	for _, asking := range a.all {
		if asking.channel != channel {
			kept = append(kept, asking)
		}
	}
	clear(a.all[len(kept):])
	a.all = kept
}
