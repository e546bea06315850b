package star

// awayList holds the slaves of a channel that have no connection. All of them
// are given the same time, so the longest away is the first whose time is over:
// joining the list at the end keeps it in the order of the deadlines.
type awayList struct {
	first, last *member
}

func (l *awayList) add(m *member) {
	m.previous = l.last
	if l.last == nil {
		l.first = m
	} else {
		l.last.next = m
	}
	l.last = m
}

func (l *awayList) remove(m *member) {
	if m.previous == nil {
		l.first = m.next
	} else {
		m.previous.next = m.next
	}
	if m.next == nil {
		l.last = m.previous
	} else {
		m.next.previous = m.previous
	}
	m.previous, m.next = nil, nil
}
