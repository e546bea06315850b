// Package handover tests how a mastership goes from one member to another: by the master's word and
// by the service's, with messages on their way, over lost connections, by hand, and what the service
// is asked and told.
package handover

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
