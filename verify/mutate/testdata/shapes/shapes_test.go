package shapes

import (
	"math"
	"testing"
)

func same[T comparable](t *testing.T, expected, got T) {
	t.Helper()
	if expected != got {
		t.Fatalf("%v is not %v", got, expected)
	}
}

func TestConditions(t *testing.T) {
	same(t, true, Fits())
	same(t, true, Both(true, true))
	same(t, false, Both(true, false))
	same(t, false, Both(false, true))
	same(t, true, Both(false, false))
	same(t, "different", Not(1, 2))
	same(t, "same", Not(1, 1))
	in := make(chan bool, 2)
	in <- true
	in <- false
	same(t, 1, Received(in))
	same(t, 0, Received(in))
}

func TestComparisons(t *testing.T) {
	same(t, true, Larger("b", "a"))
	same(t, false, Larger(1, 1))
	same(t, false, Larger(1, math.NaN()))
	var none *Stop
	same(t, false, Other(nil, none))
	same(t, false, Other(none, none))
	same(t, true, Other(ErrOther, none))
	same(t, true, Index([]int{1, 2}, 2))
	same(t, false, Index([]int{1, 2}, 1))
	same(t, true, Shift(3, 7))
	same(t, false, Shift(3, 8))
	same(t, false, Shift(8, 7)) // in a byte nothing is left of it
}

func TestLines(t *testing.T) {
	for i := range 8 {
		a, b, c := i&1 > 0, i&2 > 0, i&4 > 0
		same(t, i == 3 || i == 5 || i == 7, Lines(a, b, c))
	}
}

func TestSwitches(t *testing.T) {
	numbers := func(list ...int) func() int {
		return func() int {
			n := list[0] // there are no more than are asked for
			list = list[1:]
			return n
		}
	}
	same(t, "few end", Tag(numbers(0, 1), true))
	same(t, "few three end", Tag(numbers(1, 0), false))
	same(t, "few end", Tag(numbers(1, 1), true))
	same(t, "three end", Tag(numbers(1, 2), false))
	same(t, "late end", Tag(numbers(0, 8), false))
	same(t, "end", Tag(numbers(1, 7), false))
	same(t, "other end", Tag(numbers(1, 3), false))
	same(t, "none", Kind(nil, 9))
	for n, expected := range map[int]string{-1: "odd", 0: "zero", 1: "some", 8: "odd", 9: "many"} {
		same(t, expected, Kind(func() {}, n))
	}
	same(t, "nothing", Type(nil))
	same(t, "text", Type("text"))
	same(t, "something", Type(1))
}
