// Package shapes has the forms of conditions that are hard to change. All of it is tested.
package shapes

import (
	"cmp"
	"errors"
	"slices"
)

// What is constant stays constant.
const (
	limit  = 8
	inside = limit < 10
)

// fits needs its mutant to be chosen before it is set.
var fits = size() == 1

func size() int { return len([limit]int{}) / limit }

// Fits is of a variable that is set first.
func Fits() bool { return fits == inside }

// Answer is a boolean type with a name.
type Answer bool

// Both keeps its type.
func Both(a, b Answer) Answer {
	const local = 1 == 1
	if a && b {
		return Answer(local)
	}
	return !(a || b)
}

// Larger compares what is generic.
func Larger[T cmp.Ordered](a, b T) bool { return a > b }

// Other compares an interface with what is none, and one with nil.
func Other(err error, stop *Stop) bool { return err != nil && err != stop }

// Stop is an error.
type Stop struct{}

func (*Stop) Error() string { return "stop" }

// ErrOther is another one.
var ErrOther = errors.New("other")

// Index has a comparison within a comparison that is written twice.
func Index(list []int, n int) bool {
	return slices.IndexFunc(list, func(m int) bool { return m == n }) > 0
}

// Shift compares a constant whose type comes from the other side.
func Shift(n uint, m uint8) bool { return 1<<n > m }

// Lines has line ends and comments between operands.
func Lines(a, b, c bool) bool {
	return a && // the first
		(b ||
			/* the last */ c)
}

// Received waits for its condition.
func Received(in <-chan bool) int {
	if <-in {
		return 1
	}
	return 0
}

// Not has a comparison behind a negation.
func Not(a, b int) string {
	if !(a == b) {
		return "different"
	}
	return "same"
}

// Tag has a value that counts how often it is asked for, a statement before it,
// a label, and a case that goes on into the next one. Nothing follows the inner switch.
func Tag(next func() int, stop bool) (said string) {
outer:
	switch first := next(); first + next() {
	case 1, 2:
		said += "few "
		if stop {
			break outer
		}
		fallthrough
	case 3:
		said += "three "
	case limit:
		func() string {
			switch first {
			case 0:
				said += "late "
				return said
			default:
				return said
			}
		}()
	default:
		said += "other "
	}
	return said + "end"
}

// Kind has a switch without conditions, one of nil, and one of conditions.
func Kind(f func(), n int) string {
	switch n {
	default:
	}
	switch f {
	case nil:
		return "none"
	}
	switch true {
	case n > limit:
		return "many"
	}
	switch {
	case n < 0, n == limit:
		return "odd"
	case n == 0:
		return "zero"
	}
	return "some"
}

// Type has conditions that are no expressions: they are left alone.
func Type(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return v
	}
	return "something"
}
