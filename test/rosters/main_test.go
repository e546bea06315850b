// Package rosters tests how the master of a large channel learns who is there: by lists in pages, by counts, and by
// asking.
package rosters

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
