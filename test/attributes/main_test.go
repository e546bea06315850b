// Package attributes tests the attributes of members: who sees them, over lost connections, bounds and
// paces, and that they cost nobody a message.
package attributes

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
