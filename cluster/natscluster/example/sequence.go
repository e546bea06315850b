package main

// A sequence is what one member has heard of the numbers, from 1 on, that another one sends it.
type sequence struct {
	next  uint64          // the lowest number that was not heard
	ahead map[uint64]bool // those above it that were
	last  uint64          // the highest
}

// heard is how a number compares with those before.
type heard int

const (
	inOrder heard = iota
	doubled
	outOfOrder
)

// Hear notes a number.
func (s *sequence) Hear(n uint64) heard {
	s.next = max(s.next, 1)
	if n < s.next || s.ahead[n] {
		return doubled
	}
	before := s.last
	s.last = max(s.last, n)
	if n != s.next {
		if s.ahead == nil {
			s.ahead = make(map[uint64]bool)
		}
		s.ahead[n] = true
	} else {
		for s.next++; s.ahead[s.next]; s.next++ {
			delete(s.ahead, s.next)
		}
	}
	if n < before {
		return outOfOrder
	}
	return inOrder
}

// Missing is how many of the numbers up to n were not heard.
func (s *sequence) Missing(n uint64) (missing uint64) {
	s.next = max(s.next, 1)
	for i := s.next; i <= n; i++ {
		if !s.ahead[i] {
			missing++
		}
	}
	return missing
}
