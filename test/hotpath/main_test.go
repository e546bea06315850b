// Package hotpath has benchmarks of the hot paths, and no tests.
package hotpath

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
