package failing

import "testing"

func TestSame(t *testing.T) {
	if Same(1, 1) {
		t.Error("on purpose")
	}
}
