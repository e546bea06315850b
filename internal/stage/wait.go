package stage

import (
	"context"
	"testing"
	"time"
)

// waitLimit bounds every wait for something that must happen. In a bubble the wait takes
// no real time.
const waitLimit = time.Minute

// Within returns a context that ends after waitLimit, or at the end of the test.
func Within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	t.Cleanup(cancel)
	return ctx
}
