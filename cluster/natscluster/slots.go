package natscluster

import "context"

// How many appends to one shard, and questions about it, are under way at a time. Those beyond wait here: where they
// waited at the server, as when a hub takes thousands of channels over at once, they would be given up and asked again before
// they are answered, and keep it busier still.
const (
	appendsAtOnce   = 64
	questionsAtOnce = 32
)

// slots bound what is under way.
type slots chan struct{}

// take waits for one until the context ends. It is to be given back.
func (s slots) take(ctx context.Context, e *Engine) error {
	select {
	case s <- struct{}{}:
		return nil
	default:
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return e.failed(ctx, ctx.Err())
	case <-e.ctx.Done():
		return e.failed(ctx, e.ctx.Err())
	}
}

func (s slots) give() { <-s }
