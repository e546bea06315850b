package star

import "slices"

// awayList is a linked list of a channel's slaves that have no connection. All of
// them get the same time, so adding at the end keeps the list in the order of the
// deadlines: the slave that is away longest is first.
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

// sort puts the list in the order of the deadlines. Only a restore under another
// SlaveTimeout needs it.
func (l *awayList) sort() {
	var members []*member
	for m := l.first; m != nil; m = m.next {
		members = append(members, m)
	}
	slices.SortStableFunc(members, func(a, b *member) int { return a.deadline.Compare(b.deadline) })
	*l = awayList{}
	for _, m := range members {
		m.previous, m.next = nil, nil
		l.add(m)
	}
}
