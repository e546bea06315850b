// Package restart tests what becomes of channels when a hub is shut down, and another one
// goes on from what it has left.
package restart

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
