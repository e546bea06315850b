// Package codes_test holds every place that has to know the protocol's codes to their list
// in internal/wire.
package codes_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
