// Package voice tests who may speak: muted slaves, over lost connections, tickets and switches, by
// hand, and beside what the service is asked.
package voice

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
