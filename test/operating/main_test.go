// Package operating tests what somebody who runs a hub sets and sees: Authorize,
// limits, the observer, the log, snapshots, shutdown, adapters, and code of the
// service that panics.
package operating

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// rounds is how many times a race is run.
var rounds = flag.Int("rounds", 6, "how many times each race is run in its test")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
