package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
)

// What an owner has written that is none, or is none any more, is found, and so is a group that follows another than
// it names; claims and doubts of others are right.
func TestOwners(t *testing.T) {
	a, b := cluster.NewHubID(), cluster.NewHubID()
	group := func(after cluster.Position, claim inner.Claim, hub cluster.HubID, epoch uint64) cluster.Group {
		return cluster.Group{
			Position: after + 1, After: after, Kind: cluster.Shared, Nonce: cluster.NewNonce(),
			Body: inner.AppendGroup(nil, inner.Header{Claim: claim, Hub: hub, Epoch: epoch}, nil),
		}
	}
	o := &owners{}
	var l ownedLog
	for _, c := range []struct {
		group cluster.Group
		wrong string
	}{
		{group(0, inner.Owned, a, 5), ""},
		{group(1, inner.None, a, 5), ""},
		{group(2, inner.Doubt, b, 5), ""},
		{group(3, inner.None, b, 5), "owns it in epoch 5"},
		{group(4, inner.Owned, b, 6), ""},
		{group(5, inner.None, a, 5), "writes in epoch 5"},
		{group(6, inner.Owned, a, 6), "behind epoch 6"},
		{group(8, inner.None, b, 6), "it follows 8, and 7 is before it"},
		{group(9, inner.Free, b, 6), ""},
		{group(10, inner.Owned, b, 7), ""},
	} {
		if wrong := l.next(o, c.group); c.wrong == "" {
			require.Empty(t, wrong)
		} else {
			require.Contains(t, wrong, c.wrong)
		}
	}
	require.Equal(t, 1, o.changes)

	engine := cluster.NewLocal()
	defer engine.Close()
	o = &owners{engine: engine, logs: make(map[string]*ownedLog)}
	key := cluster.KeyOf("a class")
	for i, g := range []cluster.Group{group(0, inner.Owned, a, 5), group(1, inner.None, b, 5)} {
		last, _ := engine.Last(t.Context(), key)
		g.After = last.Position
		_, err := engine.Append(t.Context(), key, g)
		require.NoError(t, err)
		wrong, err := o.Look(t.Context(), "a class")
		require.NoError(t, err)
		require.Len(t, wrong, i)
	}
}
