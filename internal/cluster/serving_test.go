package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// askHub sends a request to hub 1, and returns what is replied within a second.
func askHub(t *testing.T, bus cluster.Bus, request []byte) (replies [][]byte) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for b, err := range bus.Ask(ctx, edgeHub, cluster.HubID{1}, request) {
		if err != nil {
			return replies
		}
		replies = append(replies, b)
	}
	return replies
}

func TestServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewLocal()
		s, err := NewServing(bus, cluster.HubID{1})
		require.NoError(t, err)
		_, err = NewServing(bus, cluster.HubID{1})
		require.Error(t, err)

		for i, request := range [][]byte{nil, {}, {7}, {7, 1, 2}} {
			require.Empty(t, askHub(t, bus, request))
			require.Equal(t, uint64(i+1), s.Dropped())
		}
		for kind := range byte(3) {
			s.Handle(kind, func(from cluster.HubID, request []byte, reply func([]byte) error) {
				require.Equal(t, edgeHub, from)
				require.NoError(t, reply(append([]byte{'k', kind}, request...)))
			})
		}
		require.Equal(t, [][]byte{{'k', 2, 8, 9}}, askHub(t, bus, []byte{2, 8, 9}))
		require.Equal(t, [][]byte{{'k', 0}}, askHub(t, bus, []byte{0}))
		s.Handle(2, nil)
		require.Empty(t, askHub(t, bus, []byte{2, 8, 9}))
		require.Equal(t, uint64(5), s.Dropped())

		s.Stop()
		require.Empty(t, askHub(t, bus, []byte{1}))
		require.Equal(t, uint64(5), s.Dropped())
		require.NoError(t, bus.Close())
	})
}

func TestServingCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := cluster.NewLocal()
		s, err := NewServing(bus, cluster.HubID{1})
		require.NoError(t, err)
		defer func() {
			s.Stop()
			require.NoError(t, bus.Close())
		}()
		var next Owner
		var taken []Request
		s.HandleCalls(func(key cluster.Key) (func(cluster.HubID, Request, func([]byte) error), Owner) {
			if key != cluster.KeyOf("ours") {
				return nil, next
			}
			return func(from cluster.HubID, r Request, reply func([]byte) error) {
				require.Equal(t, edgeHub, from)
				taken = append(taken, r)
				_ = reply([]byte("taken"))
			}, Owner{}
		})
		r := Request{cluster.KeyOf("ours"), 5, cluster.Nonce{1}, 3, [][]byte{[]byte("call")}}
		ask := func() [][]byte { return askHub(t, bus, AppendRequest([]byte{KindCalls}, r)) }
		require.Equal(t, [][]byte{[]byte("taken")}, ask())
		require.Equal(t, []Request{r}, taken)

		require.Empty(t, askHub(t, bus, AppendRequest([]byte{KindCalls}, r)[:requestHeader]))
		require.Equal(t, uint64(1), s.Dropped())

		r.Key = room
		for _, c := range []struct {
			next    Owner
			outcome Outcome
		}{
			{Owner{}, Unknown},
			{Owner{Epoch: 9, Incarnation: cluster.Nonce{1}}, Unknown},
			{owned(2, 6), Moved},
			{owned(2, 4), Unknown},
			{Owner{cluster.HubID{2}, 6, cluster.Nonce{2}}, Unknown},
			{owned(1, 6), Moved},
			{owned(1, 5), Busy},
		} {
			next = c.next
			replies := ask()
			require.Len(t, replies, 1)
			m, err := parseAnswer(replies[0])
			require.NoError(t, err)
			want := answerMessage{key: room, Answer: Answer{Outcome: c.outcome, Owner: owned(1, 5), N: 3}}
			if c.outcome == Moved {
				want.Next = next
			}
			require.Equal(t, want, m)
		}
		r.Calls = nil
		require.Empty(t, ask(), "thanks are not answered")
		require.Len(t, taken, 1)
	})
}
