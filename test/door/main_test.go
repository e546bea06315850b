// Package door tests who gets in: the door of a channel, who waits there and for a channel that
// does not exist yet, and what they get meanwhile.
package door

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
