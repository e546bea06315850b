package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What Local promises as every engine does is in cluster/clustertest; here is what it has beside.

func inShard(shard, number byte) Key { return Key{1: shard, 15: number} }

func appendTo(t *testing.T, l *Local, key Key, after Position, body string) Position {
	p, err := l.Append(context.Background(), key, Group{Kind: Shared, After: after, Nonce: NewNonce(), Body: []byte(body)})
	require.NoError(t, err)
	return p
}

func bodies(l *Local, key Key) (all []string) {
	last, err := l.Last(context.Background(), key)
	if err != nil {
		return nil
	}
	for g := range l.Read(context.Background(), key, Every, 0, last.Position) {
		all = append(all, string(g.Body))
	}
	return all
}

// Each group expires by itself, the oldest first, whatever its key.
func TestLocalExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLocalWith(LocalOptions{Keeps: time.Minute, MaxBytes: 100})
		defer l.Close()
		a, b := inShard(3, 1), inShard(3, 2)
		p := appendTo(t, l, a, 0, "a1")
		time.Sleep(20 * time.Second)
		appendTo(t, l, b, 0, "b1")
		time.Sleep(20 * time.Second)
		appendTo(t, l, a, p, "a2")
		require.InDelta(t, 0.06, l.State().Shard(a).Filled, 1e-9)
		time.Sleep(20*time.Second - time.Nanosecond)
		require.Equal(t, []string{"a1", "a2"}, bodies(l, a))
		time.Sleep(time.Nanosecond)
		require.Equal(t, []string{"a2"}, bodies(l, a))
		require.Equal(t, []string{"b1"}, bodies(l, b))
		time.Sleep(20 * time.Second)
		require.Empty(t, bodies(l, b))
		time.Sleep(20 * time.Second)
		require.Empty(t, bodies(l, a))
		require.Zero(t, l.State().Shard(a).Filled)
		require.Empty(t, l.shards[3].keys)
	})
}

// An append whose neighbours have expired cannot be told from one that has lost.
func TestLocalKnowsAnAppendWhileItHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLocalWith(LocalOptions{Keeps: time.Minute})
		defer l.Close()
		key := inShard(0, 1)
		first := Group{Kind: Own, Nonce: NewNonce()}
		p, err := l.Append(t.Context(), key, first)
		require.NoError(t, err)
		time.Sleep(30 * time.Second)
		appendTo(t, l, key, p, "next")
		again, err := l.Append(t.Context(), key, first)
		require.NoError(t, err)
		require.Equal(t, p, again)
		time.Sleep(30 * time.Second)
		_, err = l.Append(t.Context(), key, first)
		require.ErrorIs(t, err, ErrGone)
	})
}

// What is lost has its positions given out again; what has expired has not.
func TestLoseAndExpire(t *testing.T) {
	l := NewLocal()
	defer l.Close()
	a, b, other := inShard(0, 1), inShard(0, 2), inShard(1, 1)
	p1 := appendTo(t, l, a, 0, "a1")
	p2 := appendTo(t, l, b, 0, "b1")
	p3 := appendTo(t, l, a, p1, "a2")
	p4 := appendTo(t, l, b, p2, "b2")
	appendTo(t, l, other, 0, "o")
	require.Equal(t, []Position{1, 2, 3, 4}, []Position{p1, p2, p3, p4})

	l.Lose(0, p2)
	require.Equal(t, []string{"a1"}, bodies(l, a))
	require.Equal(t, []string{"b1"}, bodies(l, b))
	require.Equal(t, []string{"o"}, bodies(l, other))
	require.Equal(t, p3, appendTo(t, l, b, p2, "b2 anew"))

	l.Expire(0, p2)
	require.Empty(t, bodies(l, a))
	require.Equal(t, []string{"b2 anew"}, bodies(l, b))
	require.Equal(t, p4, appendTo(t, l, a, 0, "a anew"))

	l.Lose(0, 0)
	require.Empty(t, l.shards[0].keys)
	require.Zero(t, l.shards[0].bytes)
	require.Equal(t, p1, appendTo(t, l, a, 0, "a once more"))
}

// A callback that hangs loses what comes, in the end, and the next group tells.
func TestATailThatHangsLosesGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLocal()
		defer l.Close()
		key := inShard(0, 1)
		hold := make(chan struct{})
		var heard []Group
		_, err := l.Tail(key, func(g Group) {
			<-hold
			heard = append(heard, g)
		})
		require.NoError(t, err)
		var last Position
		grow := func() {
			p, err := l.Append(t.Context(), key, Group{Kind: Shared, After: last, Before: last, Nonce: NewNonce()})
			require.NoError(t, err)
			last = p
		}
		for range maxWaiting + 10 {
			grow()
			if last == 1 {
				synctest.Wait()
			}
		}
		close(hold)
		synctest.Wait()
		grow()
		synctest.Wait()
		require.Len(t, heard, 1+maxWaiting+1)
		require.Equal(t, last, heard[len(heard)-1].Position)
		require.Greater(t, heard[len(heard)-1].Before, heard[len(heard)-2].Position)
	})
}

func TestAHubIsServedOnce(t *testing.T) {
	l := NewLocal()
	defer l.Close()
	self := NewHubID()
	nothing := func(HubID, []byte, func([]byte) error) {}
	stop, err := l.Serve(self, nothing)
	require.NoError(t, err)
	_, err = l.Serve(self, nothing)
	require.Error(t, err)
	stop()
	again, err := l.Serve(self, nothing)
	require.NoError(t, err)
	stop() // of the first one, once more
	_, err = l.Serve(self, nothing)
	require.Error(t, err)
	again()
}
