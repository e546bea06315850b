package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

var (
	errSilence = errors.New("no answer")
	logKey     = cluster.KeyOf("a channel")
)

// scripted is a log of which the next calls go as the test says, and all others as they should.
type scripted struct {
	*cluster.Local
	appends []func(ctx context.Context, g cluster.Group) (cluster.Position, error)
	lasts   []error        // of Last; nil: as it should
	old     *cluster.Group // what Last says, where it is not nil
	barrier []error        // of LastLinearizable
	sent    []cluster.Group
	times   []time.Duration
	began   time.Time
}

func newScripted() *scripted {
	return &scripted{Local: cluster.NewLocal(), began: time.Now()}
}

func (s *scripted) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	s.sent = append(s.sent, g)
	s.times = append(s.times, time.Since(s.began))
	if len(s.appends) == 0 {
		return s.Local.Append(ctx, key, g)
	}
	next := s.appends[0]
	s.appends = s.appends[1:]
	return next(ctx, g)
}

func (s *scripted) Last(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	if err := shift(&s.lasts); err != nil {
		return cluster.Group{}, err
	}
	if s.old != nil {
		return *s.old, nil
	}
	return s.Local.Last(ctx, key)
}

func (s *scripted) LastLinearizable(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	if err := shift(&s.barrier); err != nil {
		return cluster.Group{}, err
	}
	return s.Local.LastLinearizable(ctx, key)
}

func shift(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

// fails is an append that fails, and is lost.
func (s *scripted) fails(err error) {
	s.appends = append(s.appends, func(context.Context, cluster.Group) (cluster.Position, error) { return 0, err })
}

// happens is an append that happens, and then what the test says, whereupon it fails.
func (s *scripted) happens(err error, then ...func()) {
	s.appends = append(s.appends, func(ctx context.Context, g cluster.Group) (cluster.Position, error) {
		_, _ = s.Local.Append(ctx, logKey, g)
		for _, f := range then {
			f()
		}
		return 0, err
	})
}

// other appends a group of another hub behind whatever is there.
func (s *scripted) other(claim Claim, kind cluster.Kind) cluster.Position {
	last, _ := s.Local.Last(context.Background(), logKey)
	return s.put(AppendGroup(nil, Header{Claim: claim, Epoch: 7, Hub: cluster.HubID{2}}, nil), last, kind)
}

func (s *scripted) put(body []byte, last cluster.Group, kind cluster.Kind) cluster.Position {
	g := cluster.Group{After: last.Position, Before: LastShared(last), Kind: kind, Nonce: cluster.NewNonce(), Body: body}
	p, err := s.Local.Append(context.Background(), logKey, g)
	if err != nil {
		panic(err)
	}
	return p
}

// all are the log's groups.
func (s *scripted) all(t *testing.T) (all []cluster.Group) {
	last, err := s.Local.Last(context.Background(), logKey)
	if errors.Is(err, cluster.ErrNone) {
		return nil
	}
	require.NoError(t, err)
	for g, err := range s.Read(context.Background(), logKey, cluster.Every, 0, last.Position) {
		if g.Age = 0; err == nil {
			all = append(all, g)
		}
	}
	return all
}

// inBubble gives the test a log with one Own group of the owner, and the owner's Writer behind it.
func inBubble(t *testing.T, test func(t *testing.T, s *scripted, w *Writer)) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		w := NewWriter(s, NewGate(16), logKey, 0, 0)
		_, err := w.Append(t.Context(), cluster.Nonce{1}, cluster.Own, own)
		require.NoError(t, err)
		s.sent, s.times = nil, nil
		test(t, s, w)
	})
}

var own = AppendGroup(nil, Header{Epoch: 6, Hub: cluster.HubID{1}}, nil)

func TestGroupsFollowEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
		for i, kind := range []cluster.Kind{cluster.Shared, cluster.Own, cluster.Part, cluster.Shared} {
			p, err := w.Append(t.Context(), cluster.Nonce{2, byte(i)}, kind, own)
			require.NoError(t, err)
			require.Equal(t, p, w.Last())
		}
		var before cluster.Position
		for i, g := range s.all(t) {
			require.Equal(t, cluster.Position(i), g.After)
			require.Equal(t, before, g.Before)
			before = LastShared(g)
		}
		require.Equal(t, cluster.Position(5), w.Shared())
	})
}

// An attempt whose outcome is not known is made again, as it was, a quarter of a second later.
func TestAnOpenAttemptIsRepeated(t *testing.T) {
	for name, script := range map[string]func(s *scripted){
		"lost":        func(s *scripted) { s.fails(errSilence); s.fails(errSilence) },
		"answer lost": func(s *scripted) { s.happens(errSilence); s.fails(errSilence) },
		"then a claim": func(s *scripted) {
			s.happens(errSilence, func() { s.other(Owned, cluster.Shared) })
			s.fails(errSilence)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
				script(s)
				p, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Shared, own)
				require.NoError(t, err)
				require.Equal(t, cluster.Position(2), p)
				require.Equal(t, cluster.Nonce{2}, s.all(t)[1].Nonce)
				require.Len(t, s.sent, 3)
				require.Equal(t, s.sent[0], s.sent[1])
				require.Equal(t, s.sent[0], s.sent[2])
				require.Equal(t, []time.Duration{0, repeatAfter, 2 * repeatAfter}, s.times)
			})
		})
	}
}

// An attempt that hangs is given up, and then made again at once.
func TestAnAttemptThatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
		s.appends = append(s.appends, func(ctx context.Context, _ cluster.Group) (cluster.Position, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, attemptTimeout + repeatPause}, s.times)
	})
}

// Behind doubts the group is written as their answer.
func TestDoubtsAreAnswered(t *testing.T) {
	for name, kinds := range map[string][]cluster.Kind{
		"shared": {cluster.Shared}, "own": {cluster.Own}, "several": {cluster.Own, cluster.Shared, cluster.Own},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
				for _, kind := range kinds {
					s.other(Doubt, kind)
				}
				p, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
				require.NoError(t, err)
				require.Equal(t, cluster.Position(2+len(kinds)), p)
				require.Len(t, s.sent, 2)
				var before cluster.Position
				for i, g := range s.all(t) {
					require.Equal(t, cluster.Position(i), g.After)
					require.Equal(t, before, g.Before)
					before = LastShared(g)
				}
				require.Equal(t, before, w.Shared())
			})
		})
	}
}

// A doubt comes while it is not known what has become of an attempt at the position before it: whether that was
// the first or the second, the group is there once.
func TestADoubtBesideAnOpenAttempt(t *testing.T) {
	t.Run("the doubt was first", func(t *testing.T) {
		inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
			late := func(context.Context, cluster.Group) (cluster.Position, error) {
				s.other(Doubt, cluster.Shared)
				return 0, errSilence
			}
			s.appends = append(s.appends, late)
			p, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
			require.NoError(t, err)
			require.Equal(t, cluster.Position(3), p)
			_, err = s.Local.Append(t.Context(), logKey, s.sent[0]) // the late one
			require.ErrorIs(t, err, cluster.ErrConflict)
			require.Len(t, s.all(t), 3)
		})
	})
	t.Run("the group was first", func(t *testing.T) {
		inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
			s.happens(cluster.ErrGone, func() { s.other(Doubt, cluster.Shared); s.other(Doubt, cluster.Own) })
			p, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
			require.NoError(t, err)
			require.Equal(t, cluster.Position(2), p)
			require.Equal(t, cluster.Position(4), w.Last())
			require.Equal(t, cluster.Position(3), w.Shared())
			p, err = w.Append(t.Context(), cluster.Nonce{3}, cluster.Own, own)
			require.NoError(t, err)
			require.Equal(t, cluster.Position(5), p)
			require.Len(t, s.sent, 2, "what was read of the doubts is remembered")
		})
	})
}

// What another hub writes but for doubts ends the Writer. It does not write again.
func TestWhatDeposes(t *testing.T) {
	for _, claim := range []Claim{None, Owned, Free, Ended} {
		for _, doubts := range []int{0, 2} {
			t.Run(claim.String(), func(t *testing.T) {
				inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
					for range doubts {
						s.other(Doubt, cluster.Shared)
					}
					at := s.other(claim, cluster.Shared)
					s.other(Doubt, cluster.Shared) // the last one is not the one that counts
					_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
					var deposed *Deposed
					require.ErrorAs(t, err, &deposed)
					require.Equal(t, Deposed{at, Header{Claim: claim, Epoch: 7, Hub: cluster.HubID{2}}}, *deposed)
					require.Equal(t, err, w.Err())

					log, sent := s.all(t), len(s.sent)
					_, again := w.Append(t.Context(), cluster.Nonce{3}, cluster.Own, own)
					require.Equal(t, err, again)
					require.Len(t, s.sent, sent)
					require.Equal(t, log, s.all(t))
				})
			})
		}
	}
}

// A group that is there is acknowledged, also where it is learnt at once that the log goes on with another owner.
func TestCommittedAndDeposed(t *testing.T) {
	for _, answer := range []error{cluster.ErrGone, cluster.ErrConflict} { // an engine that does not know nonces
		inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
			s.happens(answer, func() { s.other(Doubt, cluster.Shared); s.other(Owned, cluster.Shared) })
			p, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
			require.NoError(t, err)
			require.Equal(t, cluster.Position(2), p)
			var deposed *Deposed
			require.ErrorAs(t, w.Err(), &deposed)
			require.Equal(t, cluster.Position(4), deposed.Position)
			_, err = w.Append(t.Context(), cluster.Nonce{3}, cluster.Own, own)
			require.Equal(t, w.Err(), err)
			require.Len(t, s.sent, 1)
		})
	}
}

// A later version has written: nobody of this one can go on.
func TestAGroupThatCannotBeReadEndsTheWriter(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
		last, _ := s.Local.Last(t.Context(), logKey)
		s.put([]byte{9}, last, cluster.Own)
		_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
		var version UnknownVersion
		require.ErrorAs(t, err, &version)
		require.Equal(t, err, w.Err())
	})
}

// Where nothing follows, whatever an engine says for a moment, the same is tried again. It is not asked of an old answer.
func TestAConflictWithNothing(t *testing.T) {
	for _, answer := range []error{cluster.ErrConflict, cluster.ErrGone} {
		inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
			s.fails(answer)
			s.lasts = []error{cluster.ErrNone}
			s.barrier = []error{errSilence, errSilence}
			p, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
			require.NoError(t, err)
			require.Equal(t, cluster.Position(2), p)
			require.Equal(t, s.sent[0], s.sent[1])
			require.Positive(t, s.times[1])
		})
	}
}

// An old answer does not make a log a lost one, nor hide what follows.
func TestAnOldLast(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
		first, err := s.Local.Last(t.Context(), logKey)
		require.NoError(t, err)
		s.old = &first
		_, err = w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
		require.NoError(t, err)
		s.other(Doubt, cluster.Own)
		p, err := w.Append(t.Context(), cluster.Nonce{3}, cluster.Own, own)
		require.NoError(t, err)
		require.Equal(t, cluster.Position(4), p)
		require.Zero(t, time.Since(s.began))
	})
}

// The log has not what was acknowledged.
func TestALogThatIsLost(t *testing.T) {
	for name, lose := range map[string]func(s *scripted){
		"empty":   func(s *scripted) { s.Lose(logKey.Shard(16), 0) },
		"shorter": func(s *scripted) { s.Lose(logKey.Shard(16), 2) },
		"another": func(s *scripted) {
			s.Lose(logKey.Shard(16), 0)
			s.other(Owned, cluster.Own)
			s.other(Doubt, cluster.Own)
		},
		"another, which is longer": func(s *scripted) {
			s.Lose(logKey.Shard(16), 1)
			s.other(Owned, cluster.Own)
			s.other(None, cluster.Own)
			s.other(None, cluster.Own)
		},
		"what followed has expired": func(s *scripted) {
			s.other(Owned, cluster.Own)
			s.other(None, cluster.Own)
			s.Expire(logKey.Shard(16), 4)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
				for i := range 2 {
					_, err := w.Append(t.Context(), cluster.Nonce{2, byte(i)}, cluster.Own, own)
					require.NoError(t, err)
				}
				lose(s)
				log := s.all(t)
				_, err := w.Append(t.Context(), cluster.Nonce{3}, cluster.Own, own)
				require.ErrorIs(t, err, ErrLost)
				require.Less(t, time.Since(s.began), time.Second, "it shows at once")
				require.ErrorIs(t, w.Err(), ErrLost)
				require.Equal(t, log, s.all(t))
			})
		})
	}
}

// What is not known when the groups before it may be about to expire will not be known.
func TestAnAppendThatStaysOpen(t *testing.T) {
	for name, answer := range map[string]error{"no answer": errSilence, "not there": cluster.ErrGone, "conflict": cluster.ErrConflict} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
				time.Sleep(time.Minute)
				for range 10000 {
					s.fails(answer)
					s.barrier = append(s.barrier, errSilence)
				}
				s.lasts = s.barrier
				_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
				require.ErrorIs(t, err, ErrLost)
				require.InDelta(t, 4*time.Minute, time.Since(s.began), float64(time.Second))
			})
		})
	}
}

// The time begins anew with each group that is acknowledged.
func TestTheTimeOfAnOpenAppendBeginsAnew(t *testing.T) {
	for _, answer := range []error{nil, cluster.ErrGone} {
		inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
			time.Sleep(3 * time.Minute)
			if answer != nil {
				s.happens(answer)
			}
			_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
			require.NoError(t, err)
			time.Sleep(3 * time.Minute)
			s.fails(errSilence)
			_, err = w.Append(t.Context(), cluster.Nonce{3}, cluster.Own, own)
			require.NoError(t, err)
		})
	}
}

// An append that the gate holds back while it is open ends in time too.
func TestAnOpenAppendAtTheGate(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
		s.fails(errSilence)
		go func() {
			synctest.Wait()
			probe, err := w.gate.enter(context.Background(), logKey) // behind the one that has failed, and never back
			require.NoError(t, err)
			_ = probe
		}()
		_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
		require.ErrorIs(t, err, ErrLost)
		require.Equal(t, 4*time.Minute, time.Since(s.began))
	})
}

func TestNoRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
		for range 3 {
			s.fails(cluster.ErrFull)
		}
		s.appends = append(s.appends, func(ctx context.Context, g cluster.Group) (cluster.Position, error) {
			require.True(t, w.Full())
			return s.Local.Append(ctx, logKey, g)
		})
		_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
		require.NoError(t, err)
		require.False(t, w.Full())
		require.Equal(t, []time.Duration{0, fullPause, 2 * fullPause, 3 * fullPause}, s.times)
	})
}

// A context that ends leaves something open, or does not.
func TestTheContextEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		fail error
		open bool
	}{{"no room", cluster.ErrFull, false}, {"conflict", cluster.ErrConflict, false}, {"no answer", errSilence, true}, {"gone", cluster.ErrGone, true}} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
				for range 100 {
					s.fails(test.fail)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3010*time.Millisecond)
				defer cancel()
				_, err := w.Append(ctx, cluster.Nonce{2}, cluster.Own, own)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 3010*time.Millisecond, time.Since(s.began))
				s.appends, s.sent = nil, nil
				_, again := w.Append(t.Context(), cluster.Nonce{3}, cluster.Own, own)
				if test.open {
					require.ErrorIs(t, err, ErrUnsettled)
					require.Equal(t, err, again)
					require.Empty(t, s.sent)
				} else {
					require.NotErrorIs(t, err, ErrUnsettled)
					require.NoError(t, again)
				}
			})
		})
	}
	t.Run("before", func(t *testing.T) {
		inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := w.Append(ctx, cluster.Nonce{2}, cluster.Own, own)
			require.ErrorIs(t, err, context.Canceled)
			require.Empty(t, s.sent)
			require.NoError(t, w.Err())
		})
	})
}

func TestGroupsThatNoLogTakes(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
		_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, make([]byte, cluster.MaxGroup+1))
		require.ErrorIs(t, err, cluster.ErrTooLarge)
		_, err = w.Append(t.Context(), cluster.Nonce{}, cluster.Own, own)
		require.ErrorIs(t, err, cluster.ErrInvalid)
		_, err = w.Append(t.Context(), cluster.Nonce{2}, cluster.Every, own)
		require.ErrorIs(t, err, cluster.ErrInvalid)
		require.Empty(t, s.sent)
		_, err = w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
		require.NoError(t, err)
	})
}

func TestAClosedEngineEndsTheWriter(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scripted, w *Writer) {
		require.NoError(t, s.Close())
		_, err := w.Append(t.Context(), cluster.Nonce{2}, cluster.Own, own)
		require.ErrorIs(t, err, cluster.ErrClosed)
		require.ErrorIs(t, w.Err(), cluster.ErrClosed)
	})
}
