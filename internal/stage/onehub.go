package stage

import (
	"strings"
	"sync"
	"testing"
)

// alone has the tests that are about one hub of no cluster.
var alone sync.Map

// OneHub has the test, and the tests within it, be served by one hub of no cluster, whatever the flag says, and
// says why: it is about what is documented to be of one hub. It is called before New.
func OneHub(t *testing.T, reason string) {
	t.Helper()
	if reason == "" {
		t.Fatal("a reason is needed")
	}
	alone.Store(t.Name(), nil)
	t.Cleanup(func() { alone.Delete(t.Name()) })
}

// isAlone reports whether the test, or one that it is within, has called OneHub.
func isAlone(t *testing.T) bool {
	for name := t.Name(); ; {
		if _, is := alone.Load(name); is {
			return true
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return false
		}
		name = name[:i]
	}
}
