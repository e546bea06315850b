// Package resume tests what a member finds when it comes back after a lost
// connection, or takes its membership over in another program: what it missed, what
// became of its sends, and what happens to the old connection.
package resume

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
