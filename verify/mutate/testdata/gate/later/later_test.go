// Package later tests the gate from outside.
package later

import (
	"flag"
	"testing"

	"github.com/lectern-go/lectern/verify/mutate/testdata/gate"
)

var sleeper = flag.Bool("sleeper", false, "test a keeper who sleeps, too")

func TestReopen(t *testing.T) {
	closed, open := gate.Gate{Inside: 1, Closed: true}, gate.Gate{Inside: 1}
	closed.Reopen()
	open.Reopen()
	if closed.Closed || closed.Inside != 0 || open.Inside != 1 {
		t.Error(closed, open)
	}
}

func TestSleeper(t *testing.T) {
	if *sleeper && (&gate.Gate{Keeper: &gate.Keeper{}}).Guarded() {
		t.Error("a sleeper guards nothing")
	}
}
