// Package messages tests what a message may carry beside its payload: what it is about, and
// how long it is worth anything.
package messages

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
