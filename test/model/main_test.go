// Package model plays random games of creates, joins, cuts, returns and passing time,
// compared with a plain model of the rules.
package model

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
