// Package house holds the packages to what CONTRIBUTING.md draws: what may import
// what, what the rules may use of the standard library, and how large the root is.
package house

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
