// Package hostile tests what broken and hostile peers do to a hub, and that nobody
// else notices: malformed frames, forged names and secrets, floods, and whole
// connections from a fuzzer.
package hostile

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
