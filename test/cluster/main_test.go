// Package cluster plays rounds in which several hubs have their channels together over a network
// with faults, while everybody sends, asks, leaves, is removed and comes again. Afterwards it holds what each was told
// against what the others did, and against the log.
package cluster

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
