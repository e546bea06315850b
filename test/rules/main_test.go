// Package rules tests the seven rules end to end, over every network: who creates and
// joins, who may send to whom, what becomes of a channel whose master is gone, and
// the text form of all of it.
package rules

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// rounds is how many times a race is run.
var rounds = flag.Int("rounds", 6, "how many times each race is run in its test")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
