package hub

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A secret tells the hub that has made it, and nothing else is taken for another hub's: not
// one that was made up, mistyped, or given to who speaks by hand.
func TestWhoseASecretIs(t *testing.T) {
	mine, other := newID(), newID()
	s := newSecret()
	marked := s.fresh(mine, &wire.Frame{Instance: "A"})
	plain := s.fresh(mine, &wire.Frame{})
	require.Len(t, plain.Text, 22)
	require.Len(t, marked.Text, 32)
	require.Equal(t, s, knownSecret(marked.Text))
	require.Equal(t, s, knownSecret(plain.Text))
	require.False(t, isOfAnother(marked.Text, mine))
	require.True(t, isOfAnother(marked.Text, other))
	require.False(t, isOfAnother(plain.Text, other))
	for i := range marked.Text {
		wrong := marked.Text[:i] + string("AB"[marked.Text[i]&1^1]) + marked.Text[i+1:]
		require.False(t, isOfAnother(wrong, mine), "mistyped at %d", i)
	}
	for _, made := range []string{"", "secret", strings.Repeat("A", 32), marked.Text + "A", marked.Text[1:]} {
		require.False(t, isOfAnother(made, mine), made)
	}
	require.NotContains(t, fmt.Sprintf("%v %#v %v", s, s, marked), marked.Text[8:16])
}

// Each join makes a secret: its text is all that this takes of the memory.
func TestWhatASecretAllocates(t *testing.T) {
	hub, s := newID(), newSecret()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = s.marked(hub) }), 1.0)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = s.plain() }), 1.0)
}
