// Package requests tests requests and their answers: from one, from all, over lost
// connections, and to somebody who is gone.
package requests

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// rounds is how many times a race is run.
var rounds = flag.Int("rounds", 6, "how many times each race is run in its test")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
