// Package faults plays rounds in which connections are cut, stalled and silenced at
// random while everybody sends, asks, switches and is removed. A recorder checks
// afterwards that each promise was kept.
package faults

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
