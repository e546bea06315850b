package clustertest

import (
	"context"
	"errors"
	"iter"

	"github.com/lectern-go/lectern/cluster"
)

var tailFlaws = []flaw{
	{name: "hands groups over twice", found: "Tail", says: "each comes once", breaking: tailing(func(f func(cluster.Group), g cluster.Group) { f(g); f(g) })},
	{name: "hands groups over late", found: "Tail", says: "in order", breaking: func(b *broken) {
		b.tail = func(key cluster.Key, f func(cluster.Group)) (func(), error) {
			var held cluster.Group
			return b.Local.Tail(key, func(g cluster.Group) {
				if g.Position%5 == 0 && held.Position == 0 {
					held = g
					return
				}
				f(g)
				if held.Position > 0 {
					f(held)
					held = cluster.Group{}
				}
			})
		}
	}},
	{name: "does not tell of holes", found: "Tail", says: "a tail with its holes filled", breaking: tailing(func(f func(cluster.Group), g cluster.Group) {
		if g.Before = 0; g.Position%5 > 0 {
			f(g)
		}
	})},
	{name: "hands over what is not shared", found: "Tail", says: "want Shared ones alone", breaking: tailing(func(f func(cluster.Group), g cluster.Group) { g.Kind = cluster.Own; f(g) })},
	{name: "hands over announcements alone", found: "Tail", says: "by itself and soon", breaking: tailing(func(f func(cluster.Group), g cluster.Group) {
		if g.Announced() {
			f(g)
		}
	})},
	{name: "tails of a shard hear the same", found: "TailOfOneKey", says: "a tail", breaking: func(b *broken) {
		b.tail = func(key cluster.Key, f func(cluster.Group)) (func(), error) {
			other := key
			other[15] ^= 1
			_, _ = b.Local.Tail(other, f)
			return b.Local.Tail(key, f)
		}
	}},
	{name: "stop does not wait", found: "TailStop", says: "while the callback was running", breaking: func(b *broken) {
		b.tail = func(key cluster.Key, f func(cluster.Group)) (func(), error) { return careless(b.Local.Tail(key, f)) }
	}},
	{name: "stop does not stop", found: "TailStop", says: "after stop had returned", breaking: func(b *broken) {
		b.tail = func(key cluster.Key, f func(cluster.Group)) (func(), error) {
			running := make(chan struct{}, 1)
			_, err := b.Local.Tail(key, func(g cluster.Group) {
				running <- struct{}{}
				f(g)
				<-running
			})
			return func() { // waits, and that is all
				running <- struct{}{}
				<-running
			}, err
		}
	}},
	{name: "calls back under its lock", found: "TailCalls", says: "Append at the last position failed", breaking: func(b *broken) {
		lock := make(chan struct{}, 1)
		tailing(func(f func(cluster.Group), g cluster.Group) {
			lock <- struct{}{}
			f(g)
			<-lock
		})(b)
		b.append = func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
			select {
			case lock <- struct{}{}:
				defer func() { <-lock }()
				return b.Local.Append(ctx, key, g)
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
	}},
	{name: "announces nothing", found: "Announce", says: "comes to every tail", breaking: func(b *broken) {
		b.announce = func(cluster.Key, cluster.Position) error { return nil }
	}},
	{name: "announces to all", found: "Announce", says: "another key", breaking: func(b *broken) {
		b.announce = func(key cluster.Key, last cluster.Position) error {
			other := key
			other[15] ^= 1
			_ = b.Local.Announce(other, last)
			return b.Local.Announce(key, last)
		}
	}},
}

var busFlaws = []flaw{
	{name: "does not know who asks", found: "Ask", says: "the reply to a request from hub", breaking: serving(func(b *broken, answer served, _ cluster.HubID, request []byte, reply func([]byte) error) {
		answer(cluster.HubID{}, request, reply)
	})},
	{name: "waits for nobody", found: "AskNobody", says: "that nobody serves", breaking: asking(func(ctx context.Context, err error) error {
		if errors.Is(err, cluster.ErrNobody) {
			<-ctx.Done()
			err = ctx.Err()
		}
		return err
	})},
	{name: "takes one reply", found: "AskManyReplies", says: "all replies come", breaking: serving(func(_ *broken, answer served, from cluster.HubID, request []byte, reply func([]byte) error) {
		answer(from, request, func(b []byte) error {
			if reply == nil {
				return nil
			}
			once := reply
			reply = nil
			return once(b)
		})
	})},
	{name: "ends with the first reply", found: "AskManyReplies", says: "goes on until its caller breaks off", breaking: func(b *broken) {
		b.ask = func(ctx context.Context, from, to cluster.HubID, request []byte) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for reply, err := range b.Local.Ask(ctx, from, to, request) {
					yield(reply, err)
					return
				}
			}
		}
	}},
	{name: "replies to who asks now", found: "AskLateReply", says: "a reply to an earlier request", breaking: serving(func(b *broken, answer served, from cluster.HubID, request []byte, reply func([]byte) error) {
		b.mu.Lock()
		b.reply = reply
		b.mu.Unlock()
		answer(from, request, func(x []byte) error {
			b.mu.Lock()
			reply := b.reply
			b.mu.Unlock()
			return reply(x)
		})
	})},
	{name: "does not look at the context", found: "AskContext", says: "Ask ends with its context", breaking: func(b *broken) {
		b.ask = func(ctx context.Context, from, to cluster.HubID, request []byte) iter.Seq2[[]byte, error] {
			ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
			go func() {
				b.hang()
				cancel()
			}()
			return b.Local.Ask(ctx, from, to, request)
		}
	}},
	{name: "cuts what is large", found: "AskLarge", says: "or others", breaking: func(b *broken) {
		b.ask = func(ctx context.Context, from, to cluster.HubID, request []byte) iter.Seq2[[]byte, error] {
			return b.Local.Ask(ctx, from, to, request[:min(len(request), cluster.MaxMessage/2)])
		}
	}},
	{name: "replies to who asked before", found: "AskAtOnce", says: "the reply to the request", breaking: serving(func(b *broken, answer served, from cluster.HubID, request []byte, reply func([]byte) error) {
		b.mu.Lock()
		last := b.reply
		b.reply = reply
		b.mu.Unlock()
		if last == nil {
			last = reply
		}
		answer(from, request, func(x []byte) error { _ = reply(x[:0]); return last(x) })
	})},
	{name: "stop does not wait", found: "ServeStop", says: "while the callback was running", breaking: func(b *broken) {
		b.serve = func(self cluster.HubID, answer served) (func(), error) { return careless(b.Local.Serve(self, answer)) }
	}},
	{name: "beats are heard by one", found: "Beats", says: "comes to every engine", breaking: func(b *broken) {
		b.beats = func(f func(cluster.HubID, []byte)) (func(), error) {
			if b.n++; b.n > 1 {
				return func() {}, nil
			}
			return b.Local.Beats(f)
		}
	}},
	{name: "stop does not wait", found: "BeatsStop", says: "while the callback was running", breaking: func(b *broken) {
		b.beats = func(f func(cluster.HubID, []byte)) (func(), error) { return careless(b.Local.Beats(f)) }
	}},
}

var endFlaws = []flaw{
	{name: "knows no leaders", found: "State", says: "every shard has a leader", breaking: func(b *broken) {
		b.state = func() cluster.State { return cluster.State{Connected: true, Shards: make([]cluster.Shard, 3)} }
	}},
	{name: "does not tell that it is closed", found: "Close", says: "want ErrClosed", breaking: errorInstead(cluster.ErrClosed, errors.New("failed"))},
	{name: "does not wait", found: "CloseWaits", says: "callbacks were running", breaking: func(b *broken) {
		b.close = func() error { go b.Local.Close(); return nil }
	}},
	{name: "leaves who waits for replies", found: "CloseUnderWay", says: "return soon after Close", breaking: asking(nil)},
}

// tailing hands groups over in another way.
func tailing(hand func(f func(cluster.Group), g cluster.Group)) func(b *broken) {
	return func(b *broken) {
		b.tail = func(key cluster.Key, f func(cluster.Group)) (func(), error) {
			return b.Local.Tail(key, func(g cluster.Group) { hand(f, g) })
		}
	}
}

// serving answers in another way.
func serving(change func(b *broken, answer served, from cluster.HubID, request []byte, reply func([]byte) error)) func(b *broken) {
	return func(b *broken) {
		b.serve = func(self cluster.HubID, answer served) (func(), error) {
			return b.Local.Serve(self, func(from cluster.HubID, request []byte, reply func([]byte) error) {
				change(b, answer, from, request, reply)
			})
		}
	}
}

// asking ends with another error, or (nil) hangs where it should end.
func asking(change func(ctx context.Context, err error) error) func(b *broken) {
	return func(b *broken) {
		b.ask = func(ctx context.Context, from, to cluster.HubID, request []byte) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for reply, err := range b.Local.Ask(ctx, from, to, request) {
					if err != nil && change == nil {
						b.hang()
					} else if err != nil {
						err = change(ctx, err)
					}
					if !yield(reply, err) {
						return
					}
				}
			}
		}
	}
}
