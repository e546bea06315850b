package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A slave that is about to leave for another channel is not made the master of this one, and one that
// has become it does not leave as if it were a slave.
func TestASlaveThatIsAboutToSwitch(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Switching(u[1], true))
	c.refused(ErrSwitching, c.handsOver(a, c.handing("user_1", true, 7)))
	c.refused(ErrSwitching, c.handsOver(nil, c.handing("user_1", false, 0)))
	require.NoError(t, c.Switching(u[1], false))
	h := c.handing("user_1", true, 7)
	require.NoError(t, c.do(c.handsOver(a, h)))
	for _, at := range []*Attachment{u[1], a, h.New, h.Stays} {
		require.ErrorIs(t, c.Switching(at, true), wire.ErrRoleChanged)
		require.False(t, at.switching)
	}
	require.NoError(t, c.Show(h.Stays, 2))
	require.NoError(t, c.Switching(h.Stays, true))
	require.True(t, h.Stays.switching)
}

// What a hand-over has left is the same after it was written down and read, and what cannot be of it
// is refused.
func TestRestoredHandOvers(t *testing.T) {
	made := func() *table {
		c, _, _, _ := handedTable(t, Limits{}, 2)
		return c
	}
	c := made()
	c.ends()
	back, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	require.Equal(t, c.Snapshot().Master.Handed, back.Snapshot().Master.Handed)
	require.Equal(t, c.Snapshot().GivenOver, back.Snapshot().GivenOver)
	require.NotNil(t, back.slaves["alice"].extra().handed)
	require.Len(t, back.givenOver, 1)

	for what, change := range map[string]func(s *Snapshot){
		"a master that is none":  func(s *Snapshot) { s.Master.Handed = new(HandedSnapshot) },
		"a slave that is one":    func(s *Snapshot) { s.Slaves[0].Handed = s.Master.Handed },
		"a message from later":   func(s *Snapshot) { s.Master.Handed.Until = 1 },
		"a start from later":     func(s *Snapshot) { s.Master.Handed.Start = 1 },
		"a loss from later":      func(s *Snapshot) { s.Master.Handed.LostPrivate = 1 },
		"one without a ref":      func(s *Snapshot) { s.GivenOver[0].Ref = 0 },
		"more than are repeated": func(s *Snapshot) { s.GivenOver = make([]GivenOverSnapshot, maxGivenOver+1); setRefs(s.GivenOver) },
	} {
		t.Run(what, func(t *testing.T) {
			s := made().Snapshot()
			change(&s)
			_, err := Restore(s, c.limits, c.now, func(wire.Role, string) *Attachment { return nil })
			require.ErrorContains(t, err, "hand-over")
		})
	}

	most := made().Snapshot()
	most.GivenOver = make([]GivenOverSnapshot, maxGivenOver)
	setRefs(most.GivenOver)
	_, err = Restore(most, c.limits, c.now, func(wire.Role, string) *Attachment { return nil })
	require.NoError(t, err)

	for what, write := range map[string]func(p *pieces){
		"of nobody":            func(p *pieces) { p.byte(pieceHanded); p.flags(false); p.text("nobody") },
		"of a master as slave": func(p *pieces) { p.byte(pieceHanded); p.flags(false); p.text("user_1") },
		"twice":                func(p *pieces) { p.handOvers(c.Channel, c.inOrder()) },
	} {
		t.Run(what, func(t *testing.T) {
			i := NewImport(c.limits, anyPayload, 0)
			for _, part := range c.parts() {
				require.NoError(t, i.Add(part))
			}
			p := pieces{yield: func([]byte) bool { return true }}
			write(&p)
			require.ErrorContains(t, i.Add(p.part), "hand-over")
		})
	}
}

func setRefs(all []GivenOverSnapshot) {
	for i := range all {
		all[i].Ref = uint64(i + 1)
	}
}
