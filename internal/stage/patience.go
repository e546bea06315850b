package stage

import (
	"context"
	"testing"
	"time"
)

// patience bounds every wait for what must come. In a bubble it costs nothing.
const patience = time.Minute

// Within is a context that ends when patience does, or with the test.
func Within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
