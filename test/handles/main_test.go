// Package handles tests the handles and the client as a program uses them: calls that
// meet, calls that are given up, and the first call of a client, which goes along
// with the connection.
package handles

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
