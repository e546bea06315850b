// Package histories checks recorded histories of a real hub for
// linearizability: whatever many clients do at the same time must look as if it
// had been done one after the other, by the seven rules.
package histories

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
