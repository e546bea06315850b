// Package slow tests members that do not take their messages in time, each policy for
// them, and audiences so large that delivering is work.
package slow

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
