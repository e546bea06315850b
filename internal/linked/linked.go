// Package linked has a doubly linked list whose links are in the elements, so that
// an element is put in and taken out without an allocation and without a search.
package linked

// A List is of elements in the order in which they were appended. The zero List is
// empty. P is a pointer to a struct that has [Links]. It is not safe for concurrent
// use.
type List[P Element[P]] struct{ first, last P }

// Links are an element's place in a list. It is in one list at most by the same
// links.
type Links[P any] struct{ prev, next P }

// An Element returns where its links are, which is always the same place.
type Element[P any] interface {
	comparable
	Links() *Links[P]
}

// First is the element that has been in the list for longest, nil where the list is
// empty.
func (l *List[P]) First() P { return l.first }

// Append puts an element that is in no list at the end.
func (l *List[P]) Append(e P) {
	var none P
	e.Links().prev = l.last
	if l.last == none {
		l.first = e
	} else {
		l.last.Links().next = e
	}
	l.last = e
}

// Remove takes out an element that is in the list.
func (l *List[P]) Remove(e P) {
	var none P
	links := e.Links()
	if links.prev == none {
		l.first = links.next
	} else {
		links.prev.Links().next = links.next
	}
	if links.next == none {
		l.last = links.prev
	} else {
		links.next.Links().prev = links.prev
	}
	*links = Links[P]{}
}

// Has reports whether an element is in the list. It must not be in another one.
func (l *List[P]) Has(e P) bool {
	var none P
	return e.Links().prev != none || l.first == e
}
