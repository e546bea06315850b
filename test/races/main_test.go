// Package races tests things that happen at the same time: joins and the end of a
// channel, kicks and sends, two resumes. Each is run as often as the flag rounds
// says.
package races

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
