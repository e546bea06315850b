package cluster

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// dead is a log that does not answer until some time.
type dead struct {
	*cluster.Local
	until time.Time
	sent  atomic.Int64
}

func (d *dead) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	d.sent.Add(1)
	if time.Now().Before(d.until) {
		return 0, errSilence
	}
	return d.Local.Append(ctx, key, g)
}

// short is a log of which reads fail after so many groups, each once, and lack one.
type short struct {
	cluster.Log
	after []int
	lacks map[cluster.Position]int // how often
}

func (s *short) Read(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) iter.Seq2[cluster.Group, error] {
	return func(yield func(cluster.Group, error) bool) {
		left := -1
		if len(s.after) > 0 {
			left, s.after = s.after[0], s.after[1:]
		}
		for g, err := range s.Log.Read(ctx, key, kinds, after, until) {
			if left == 0 {
				yield(cluster.Group{}, errSilence)
				return
			}
			left--
			if s.lacks[g.Position] > 0 {
				s.lacks[g.Position]--
				continue
			}
			if !yield(g, err) {
				return
			}
		}
	}
}

// written is a log of a channel that was created after others had expired or ended, or at 0, with five groups.
func written(t *testing.T, header Header, at ...Claim) (*scripted, cluster.Group) {
	s := newScripted()
	for _, claim := range at {
		s.other(claim, cluster.Shared)
	}
	last, _ := s.Local.Last(t.Context(), logKey)
	header.Incarnation = cluster.Nonce{5}
	if header.Base == 0 {
		header.Base = last.Position
	}
	w := NewWriter(s, nil, logKey, last.Position, LastShared(last))
	for i := range 5 {
		nonce := cluster.Nonce{5, byte(i)}
		_, err := w.Append(t.Context(), nonce, cluster.Own, AppendGroup(nil, header, nil))
		require.NoError(t, err)
	}
	last, err := s.Local.Last(t.Context(), logKey)
	require.NoError(t, err)
	return s, last
}

// state collects what State yields.
func state(t *testing.T, log cluster.Log, last cluster.Group) (positions []cluster.Position, failed error) {
	for g, err := range State(t.Context(), log, logKey, last) {
		if err != nil {
			require.Zero(t, g)
			require.NoError(t, failed)
			failed = err
			continue
		}
		positions = append(positions, g.Position)
	}
	return positions, failed
}

func TestStateIsReadFromItsBase(t *testing.T) {
	for _, test := range []struct {
		name   string
		header Header
		before []Claim
		want   []cluster.Position
	}{
		{"from the first", Header{}, nil, []cluster.Position{1, 2, 3, 4, 5}},
		{"from a snapshot", Header{Base: 3}, nil, []cluster.Position{4, 5}},
		{"behind another channel", Header{}, []Claim{None, Ended}, []cluster.Position{3, 4, 5, 6, 7}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, last := written(t, test.header, test.before...)
			got, err := state(t, s, last)
			require.NoError(t, err)
			require.Equal(t, test.want, got, test.name)

			// In several reads, and where a node lacks one for a while.
			got, err = state(t, &short{Log: s, after: []int{0, 1, 0, 2}, lacks: map[cluster.Position]int{5: 2}}, last)
			require.NoError(t, err)
			require.Equal(t, test.want, got, test.name)
		})
	}
}

func TestStateThatIsNotThere(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(t *testing.T) (cluster.Log, cluster.Group)
		want int // groups before the error
	}{
		{"a group is missing", func(t *testing.T) (cluster.Log, cluster.Group) {
			s, last := written(t, Header{})
			return &short{Log: s, lacks: map[cluster.Position]int{3: 100}}, last
		}, 2},
		{"the first is missing", func(t *testing.T) (cluster.Log, cluster.Group) {
			s, last := written(t, Header{})
			s.Expire(logKey.Shard(16), 1)
			return s, last
		}, 0},
		{"all are", func(t *testing.T) (cluster.Log, cluster.Group) {
			s, last := written(t, Header{})
			s.Expire(logKey.Shard(16), 5)
			return s, last
		}, 0},
		{"another channel before", func(t *testing.T) (cluster.Log, cluster.Group) {
			s, last := written(t, Header{Base: 1}, None, Ended)
			return s, last
		}, 0},
		{"a log that did not begin with the channel", func(t *testing.T) (cluster.Log, cluster.Group) {
			s := newScripted()
			h := Header{Incarnation: cluster.Nonce{5}}
			s.put(AppendGroup(nil, h, nil), cluster.Group{}, cluster.Own)
			last, _ := s.Local.Last(t.Context(), logKey)
			return s, last
		}, 0},
		{"a base that is not before it", func(t *testing.T) (cluster.Log, cluster.Group) {
			return written(t, Header{Base: 5})
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, last := test.make(t)
				got, err := state(t, log, last)
				require.ErrorIs(t, err, ErrBroken)
				require.Len(t, got, test.want)
			})
		})
	}
}

func TestStateOfALaterVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, last := written(t, Header{})
		s.put([]byte{9}, last, cluster.Own)
		at, _ := s.Local.Last(t.Context(), logKey)
		_, err := state(t, s, at)
		require.ErrorIs(t, err, UnknownVersion(9))
		s.put(AppendGroup(nil, Header{Incarnation: cluster.Nonce{5}}, nil), at, cluster.Own)
		at, _ = s.Local.Last(t.Context(), logKey)
		got, err := state(t, s, at)
		require.ErrorIs(t, err, UnknownVersion(9))
		require.Len(t, got, 5)
	})
}

// Doubts may say what they like: they change nothing.
func TestDoubtsAreInAState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, last := written(t, Header{})
		s.other(Doubt, cluster.Shared)
		at, _ := s.Local.Last(t.Context(), logKey)
		s.put(last.Body, at, cluster.Own)
		at, _ = s.Local.Last(t.Context(), logKey)
		got, err := state(t, s, at)
		require.NoError(t, err)
		require.Equal(t, []cluster.Position{1, 2, 3, 4, 5, 6, 7}, got)
	})
}

func TestReadingEndsWithItsContextAndItsRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, last := written(t, Header{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		log := &short{Log: s, after: make([]int, 100)}
		for _, err := range State(ctx, log, logKey, last) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.NotEmpty(t, log.after)
		require.Error(t, ctx.Err())
		n := 0
		for range State(t.Context(), s, logKey, last) {
			if n++; n == 2 {
				break
			}
		}
		require.Equal(t, 2, n)
		require.NoError(t, s.Close())
		_, err := state(t, s, last)
		require.ErrorIs(t, err, cluster.ErrClosed)
	})
}

func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		_, _, err := Find(t.Context(), s, logKey)
		require.ErrorIs(t, err, cluster.ErrNone)
		s, last := written(t, Header{Epoch: 4})
		g, h, err := Find(t.Context(), s, logKey)
		require.NoError(t, err)
		require.Equal(t, last, g)
		require.Equal(t, Header{Epoch: 4, Incarnation: cluster.Nonce{5}}, h)

		s.lasts = []error{cluster.ErrNone} // which is old
		g, h, err = FindFinal(t.Context(), s, logKey)
		require.NoError(t, err)
		require.Equal(t, last, g)
		require.Equal(t, uint64(4), h.Epoch)
		s.put([]byte{9}, last, cluster.Own)
		g, _, err = Find(t.Context(), &scripted{Local: s.Local}, logKey)
		require.ErrorIs(t, err, UnknownVersion(9))
		require.Equal(t, cluster.Position(6), g.Position)
	})
}
