package clustertest

import (
	"context"
	"errors"
	"iter"

	"github.com/lectern-go/lectern/cluster"
)

type (
	groups = iter.Seq2[cluster.Group, error]
)

var logFlaws = []flaw{
	{name: "Before is lost", found: "Append", says: "before 0", breaking: func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			g.Before = 0
			return b.Local.Append(ctx, key, g)
		}
	}},
	{name: "the nonce is lost", found: "Append", says: "nonce 0000000000000000", breaking: func(b *broken) {
		b.see = func(g cluster.Group) cluster.Group { g.Nonce = cluster.Nonce{}; return g }
	}},
	{name: "appends anywhere", found: "Conflict", says: "want ErrConflict", breaking: func(b *broken) {
		b.append = func(_ context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			return b.forced(key, g)
		}
	}},
	{name: "calls a position that is not there a conflict", found: "Conflict", says: "leaves the outcome open", breaking: errorInstead(cluster.ErrGone, cluster.ErrConflict)},
	{name: "does not tell a conflict", found: "Conflict", says: "want ErrConflict", breaking: errorInstead(cluster.ErrConflict, errors.New("failed"))},
	{name: "a fence for each kind", found: "Race", says: "exactly one may", breaking: func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			p, err := b.Local.Append(ctx, key, g)
			if last, _ := b.Local.Last(ctx, key); errors.Is(err, cluster.ErrConflict) && last.Kind != g.Kind {
				return b.forced(key, g)
			}
			return p, err
		}
	}},
	{name: "a log begins again and again", found: "Create", says: "exactly one may", breaking: func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			if g.After == 0 {
				return b.forced(key, g)
			}
			return b.Local.Append(ctx, key, g)
		}
	}},
	{name: "keys are shortened", found: "Keys", says: "keys never collide", breaking: func(b *broken) {
		b.key = func(key cluster.Key) cluster.Key { key[15] = 0; return key }
	}},
	{name: "takes half of what it has to", found: "Largest", says: "larger than an engine takes", breaking: func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			if len(g.Body) > cluster.MaxGroup/2 {
				return 0, cluster.ErrTooLarge
			}
			return b.Local.Append(ctx, key, g)
		}
	}},
	{name: "cuts what is too large", found: "Refused", says: "that is too large", breaking: func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			g.Body = g.Body[:min(len(g.Body), cluster.MaxGroup)]
			return b.Local.Append(ctx, key, g)
		}
	}},
	{name: "keeps the caller's slice", found: "AppendCopies", says: "Read", breaking: func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			p, err := b.Local.Append(ctx, key, g)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.kept[p] = g.Body
			return p, err
		}
		b.read = func(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) groups {
			return func(yield func(cluster.Group, error) bool) {
				b.Local.Read(ctx, key, kinds, after, until)(func(g cluster.Group, err error) bool {
					b.mu.Lock()
					g.Body = b.kept[g.Position]
					b.mu.Unlock()
					return yield(g, err)
				})
			}
		}
	}},
	{name: "does not know its own appends", found: "Again", says: "want its position", breaking: ownAppends(func(b *broken, _ cluster.Key, _, _ cluster.Group) (cluster.Position, error) {
		return 0, cluster.ErrConflict
	})},
	{name: "appends again", found: "AgainAtOnce", says: "want one position", breaking: ownAppends(func(b *broken, key cluster.Key, g, _ cluster.Group) (cluster.Position, error) {
		return b.forced(key, g)
	})},
	{name: "a conflict happens later", found: "AgainAfterConflict", says: "want ErrConflict", breaking: func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			if _, again := b.again(g); again {
				return b.forced(key, g)
			}
			p, err := b.Local.Append(ctx, key, g)
			if errors.Is(err, cluster.ErrConflict) {
				b.remember(g, 0)
			}
			return p, err
		}
	}},
	{name: "nonces of all keys are one", found: "NonceOfAnotherKey", says: "want a new position", breaking: ownAppends(func(_ *broken, _ cluster.Key, _, old cluster.Group) (cluster.Position, error) {
		return old.Position, nil
	})},
	{name: "does not look at the context", found: "ContextsOfAppends", says: "want the context's", breaking: func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			return b.Local.Append(context.WithoutCancel(ctx), key, g)
		}
	}},
	{name: "appends what failed, and conflicts with it", found: "ContextsOfAppends", says: "the same append after one whose context ended failed", breaking: func(b *broken) {
		ownAppends(func(*broken, cluster.Key, cluster.Group, cluster.Group) (cluster.Position, error) {
			return 0, cluster.ErrConflict
		})(b)
		inner := b.append
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			p, err := inner(context.WithoutCancel(ctx), key, g)
			return p, errors.Join(err, ctx.Err())
		}
	}},
	{name: "has no bound", found: "Full", says: "a log has a bound", settings: func(s *Settings) { s.MaxBytes = 0 }},
	{name: "does not tell that it is full", found: "Full", says: "want ErrFull", breaking: errorInstead(cluster.ErrFull, errors.New("failed"))},
}

var readFlaws = []flaw{
	{name: "reads all kinds", found: "Read", says: "Read: as number", breaking: reading(func(b *broken, _ cluster.Kind, after, until cluster.Position) (cluster.Kind, cluster.Position, cluster.Position) {
		return cluster.Every, after, until
	})},
	{name: "begins with the position", found: "Read", says: "groups, want", breaking: reading(func(_ *broken, kinds cluster.Kind, after, until cluster.Position) (cluster.Kind, cluster.Position, cluster.Position) {
		return kinds, max(after, 1) - 1, until
	})},
	{name: "goes on after a break", found: "ReadBreak", says: "panicked", breaking: func(b *broken) {
		b.read = func(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) groups {
			return func(yield func(cluster.Group, error) bool) {
				b.Local.Read(ctx, key, kinds, after, until)(func(g cluster.Group, err error) bool { yield(g, err); return true })
			}
		}
	}},
	{name: "waits for what is gone", found: "ReadGone", says: "want ErrGone", breaking: func(b *broken) {
		b.read = func(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) groups {
			return func(yield func(cluster.Group, error) bool) {
				for g, err := range b.Local.Read(ctx, key, kinds, after, until) {
					if errors.Is(err, cluster.ErrGone) {
						<-ctx.Done()
						err = ctx.Err()
					}
					if !yield(g, err) {
						return
					}
				}
			}
		}
	}},
	{name: "takes the end of a node that is behind for the end", found: "ReadIsWhole", says: "groups, want", breaking: func(b *broken) {
		b.read = func(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) groups {
			return func(yield func(cluster.Group, error) bool) {
				for g, err := range b.Local.Read(ctx, key, kinds, after, until) {
					if g.Position == until && until%7 == 0 || !yield(g, err) {
						return
					}
				}
			}
		}
	}},
	{name: "answers what was last a while ago", found: "Linearizable", says: "LastLinearizable returned", breaking: func(b *broken) {
		var before, now cluster.Group
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			p, err := b.Local.Append(ctx, key, g)
			g.Position = p
			before, now = now, g
			return p, err
		}
		b.linear = func(ctx context.Context, key cluster.Key) (cluster.Group, error) {
			g, err := b.Local.LastLinearizable(ctx, key)
			if g.Position > 20 {
				g = before
			}
			return g, err
		}
	}},
	{name: "keeps groups for ever", found: "Expiry", says: "groups expire", settings: func(s *Settings) { s.Keeps *= 1000 }},
	{name: "keeps groups for too short", found: "Expiry", says: "it keeps groups for", settings: func(s *Settings) { s.Keeps /= 2 }},
	{name: "has no ages", found: "Age", says: "a group's Age is", breaking: func(b *broken) {
		b.see = func(g cluster.Group) cluster.Group { g.Age = 0; return g }
	}},
}

// errorInstead makes appends fail with another error.
func errorInstead(old, other error) func(b *broken) {
	return func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			p, err := b.Local.Append(ctx, key, g)
			if errors.Is(err, old) {
				err = other
			}
			return p, err
		}
	}
}

// ownAppends does something else with appends that have succeeded before.
func ownAppends(again func(b *broken, key cluster.Key, g, old cluster.Group) (cluster.Position, error)) func(b *broken) {
	return func(b *broken) {
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			if old, ok := b.again(g); ok {
				return again(b, key, g, old)
			}
			p, err := b.Local.Append(ctx, key, g)
			if err == nil {
				b.remember(g, p)
			}
			return p, err
		}
	}
}

// reading reads something else.
func reading(change func(b *broken, kinds cluster.Kind, after, until cluster.Position) (cluster.Kind, cluster.Position, cluster.Position)) func(b *broken) {
	return func(b *broken) {
		b.read = func(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) groups {
			kinds, after, until = change(b, kinds, after, until)
			return b.Local.Read(ctx, key, kinds, after, until)
		}
	}
}
