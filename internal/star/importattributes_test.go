package star

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// attributePiece is one of a slave, or where it is empty of the master.
func (p *pieces) attributePiece(slave, key string, seq uint64, kind wire.PayloadKind, data string) {
	p.byte(pieceAttribute)
	p.flags(false, slave == "")
	if slave == "" {
		slave = "alice"
	}
	p.text(slave)
	p.text(key)
	p.number(seq)
	p.byte(byte(kind))
	p.bytes([]byte(data))
}

// attributesTable is a channel whose hub has stopped, with the slave user_1. Who imports it finds
// 100 numbers in each direction that no message has.
func attributesTable(t *testing.T) *table {
	c, _, _ := openTable(t, Limits{}, 1)
	c.down.skipTo(100)
	c.up.skipTo(100)
	c.ends()
	return c
}

// An attribute that cannot be is refused, with what it is; one that just can be is not.
func TestImportsOfAttributes(t *testing.T) {
	cannot := func(key, owner, what string) string {
		return fmt.Sprintf("the attribute %q of %q in channel \"abc123\" %s, which cannot be", key, owner, what)
	}
	const text, user = wire.TextPayload, "user_1"
	removals := func(p *pieces, owner string, n int) (seq uint64) {
		for range n {
			seq++
			p.attributePiece(owner, fmt.Sprint(seq), seq, wire.NoPayload, "")
		}
		return seq
	}
	long := strings.Repeat("k", wire.MaxShortName)
	for what, test := range map[string]struct {
		write func(p *pieces)
		err   string // empty: it can be
	}{
		"one of a slave":  {func(p *pieces) { p.attributePiece(user, "k", 1, text, "x") }, ""},
		"one of a master": {func(p *pieces) { p.attributePiece("", "k", 1, wire.BytesPayload, "x") }, ""},
		"an empty value":  {func(p *pieces) { p.attributePiece(user, "k", 1, text, "") }, ""},
		"a removal":       {func(p *pieces) { p.attributePiece(user, "k", 1, wire.NoPayload, "") }, ""},
		"a reset":         {func(p *pieces) { p.attributePiece(user, "", 1, wire.NoPayload, "") }, ""},
		"the last number": {func(p *pieces) { p.attributePiece(user, "k", 100, text, "x") }, ""},
		"a long key":      {func(p *pieces) { p.attributePiece(user, long, 1, text, "x") }, ""},
		"all removals, and one that is there": {func(p *pieces) {
			p.attributePiece(user, "k", removals(p, user, slaveKeys)+1, text, "x")
		}, ""},
		"all removals of a master": {func(p *pieces) { removals(p, "", masterKeys) }, ""},
		"as much as may be":        {func(p *pieces) { p.attributePiece(user, "k", 1, text, strings.Repeat("x", slaveBytes-1)) }, ""},

		"cut off":                  {func(p *pieces) { p.attributePiece(user, "k", 1, text, "x"); p.part = p.part[:len(p.part)-1] }, errCut.Error()},
		"cut off within the owner": {func(p *pieces) { p.attributePiece(user, "k", 1, text, "x"); p.part = p.part[:5] }, errCut.Error()},
		"of nobody":                {func(p *pieces) { p.attributePiece("eve", "k", 1, text, "x") }, cannot("k", "eve", "is nobody's")},
		"of a master that it is not": {func(p *pieces) {
			p.byte(pieceAttribute)
			p.flags(false, true)
			p.text(user)
			p.text("k")
			p.number(1)
			p.byte(byte(text))
			p.bytes([]byte("x"))
		}, cannot("k", user, "is nobody's")},
		"a kind that is not": {func(p *pieces) { p.attributePiece(user, "k", 1, wire.FailedPayload, "x") }, cannot("k", user, "has no kind")},
		"a value of no kind": {func(p *pieces) { p.attributePiece(user, "k", 1, wire.NoPayload, "x") }, cannot("k", user, "has no kind")},
		"a key that nobody can send": {func(p *pieces) { p.attributePiece(user, "\xff", 1, text, "x") },
			`the attribute "\xff" of "user_1" in channel "abc123" has no key, which cannot be`},
		"a key that is too long": {func(p *pieces) { p.attributePiece(user, long+"k", 1, text, "x") }, cannot(long+"k", user, "has no key")},
		"one removal too many": {func(p *pieces) { removals(p, user, slaveKeys+1) },
			cannot("9", user, "is one more that was removed than is kept")},
		"one removal too many of a master": {func(p *pieces) { removals(p, "", masterKeys+1) },
			cannot("65", "alice", "is one more that was removed than is kept")},
		"a reset behind all removals": {func(p *pieces) { p.attributePiece(user, "", removals(p, user, slaveKeys)+1, wire.NoPayload, "") },
			cannot("", user, "is one more that was removed than is kept")},
		"more than may be": {func(p *pieces) { p.attributePiece(user, "k", 1, text, strings.Repeat("x", slaveBytes)) },
			`channel "abc123": "user_1": lectern: attributes_full: the attributes of a slave have at most 4096 bytes`},
		"no number": {func(p *pieces) { p.attributePiece(user, "k", 0, text, "x") },
			`star: snapshot of "abc123": the attribute "k" of "user_1" has the number 0 behind 0, of 100`},
		"a number that is too high": {func(p *pieces) { p.attributePiece("", "k", 101, text, "x") },
			`star: snapshot of "abc123": the attribute "k" of "alice" has the number 101 behind 0, of 100`},
		"two of one number": {func(p *pieces) { p.attributePiece(user, "k", 1, text, "x"); p.attributePiece(user, "l", 1, text, "x") },
			`star: snapshot of "abc123": the attribute "l" of "user_1" has the number 1 behind 1, of 100`},
		"one twice": {func(p *pieces) { p.attributePiece(user, "k", 1, text, "x"); p.attributePiece(user, "k", 2, text, "x") },
			`star: snapshot of "abc123": "user_1" has the attribute "k" twice`},
		"a second reset": {func(p *pieces) {
			p.attributePiece(user, "", 1, wire.NoPayload, "")
			p.attributePiece(user, "", 2, wire.NoPayload, "")
		}, `star: snapshot of "abc123": "user_1" has the attribute "" twice`},
		"a reset with a value": {func(p *pieces) { p.attributePiece(user, "", 1, text, "x") },
			`star: snapshot of "abc123": "user_1" has the attribute "" twice`},
	} {
		t.Run(what, func(t *testing.T) {
			c := attributesTable(t)
			p := pieces{}
			test.write(&p)
			restored, err := imported(c.limits, append(c.parts(), p.part)...)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
			again := &table{Channel: restored, t: t}
			require.Contains(t, string(again.parts()[0]), string(p.part), "it is written down as it was")
		})
	}
}

// A value of no bytes is none that was removed, and either is as it was.
func TestAttributesOfNoBytesInParts(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 1)
	c.did0(c.sets(u[1], "gone", "x"))
	c.did0(c.sets(u[1], "gone", ""))
	c.did0(func() error {
		return c.Set(u[1], AttributeChange{Key: "empty", Value: wire.Payload{Kind: wire.TextPayload, Data: []byte{}}})
	})
	c.ends()
	restored, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	require.Equal(t, c.Snapshot().Slaves[0].Attributes, restored.Snapshot().Slaves[0].Attributes)
	require.True(t, restored.slaves["user_1"].has("empty"))
	require.False(t, restored.slaves["user_1"].has("gone"))
}

// A reset goes on as what it is, and is none of the removals.
func TestARestoredReset(t *testing.T) {
	c := attributesTable(t)
	p := pieces{}
	p.attributePiece("user_1", "", 1, wire.NoPayload, "")
	p.attributePiece("user_1", "k", 2, wire.TextPayload, "x")
	restored, err := imported(c.limits, append(c.parts(), p.part)...)
	require.NoError(t, err)
	m := restored.slaves["user_1"]
	require.NotNil(t, m.extras.attributes.reset)
	require.Len(t, m.attributes(), 1)
	require.Zero(t, m.removals())
	s := restored.Snapshot()
	require.Len(t, s.Slaves[0].Attributes, 2)
	again, err := Restore(s, c.limits, c.now, nil)
	require.NoError(t, err)
	require.Equal(t, s, again.Snapshot())
	require.NotNil(t, again.slaves["user_1"].extras.attributes.reset)
}

// A log whose numbers are all those of messages is written down without the others.
func TestPartsOfALogWithoutSkippedNumbers(t *testing.T) {
	c, a, _ := openTable(t, Limits{Replay: Bound{Messages: 1}}, 0)
	c.did0(c.says(a, "x"))
	c.did0(c.says(a, "y"))
	c.ends()
	p := pieces{}
	p.head(c.Channel)
	p.message("alice", byte(wire.TextPayload))
	p.part[len(p.part)-1] = 1 // byte of text
	require.Equal(t, string(append(p.part, 'y')), string(c.parts()[0]))
}

// Numbers that no message has are as many as there can be, in front of what is kept and behind.
func TestImportsOfSkippedNumbers(t *testing.T) {
	const tooMany = `channel "abc123" skips more numbers than there are`
	skip := func(kind byte, n uint64) func(p *pieces) {
		return func(p *pieces) { p.byte(pieceSkipped); p.byte(kind); p.number(n) }
	}
	for what, test := range map[string]struct {
		write []func(p *pieces)
		err   string // empty: it can be
	}{
		"all of them":                {[]func(p *pieces){skip(pieceDown, 6), skip(pieceDown|skippedBefore, 4), skip(pieceUp, 6), skip(pieceUp|skippedBefore, 4)}, ""},
		"all of them, one by one":    {[]func(p *pieces){skip(pieceDown, 3), skip(pieceDown, 3), skip(pieceUp, 3), skip(pieceUp, 3)}, ""},
		"none before":                {[]func(p *pieces){skip(pieceDown, 6), skip(pieceUp, 6)}, ""},
		"a part of those before":     {[]func(p *pieces){skip(pieceDown, 6), skip(pieceDown|skippedBefore, 1), skip(pieceUp, 6)}, ""},
		"all before, one by one":     {[]func(p *pieces){skip(pieceDown|skippedBefore, 2), skip(pieceDown|skippedBefore, 2), skip(pieceDown, 6), skip(pieceUp, 6)}, ""},
		"one too many":               {[]func(p *pieces){skip(pieceDown, 7)}, tooMany},
		"one too many up":            {[]func(p *pieces){skip(pieceUp, 7)}, tooMany},
		"one too many before":        {[]func(p *pieces){skip(pieceDown|skippedBefore, 5)}, tooMany},
		"one too many before, later": {[]func(p *pieces){skip(pieceDown, 6), skip(pieceDown|skippedBefore, 5)}, tooMany},
		"the same before, twice":     {[]func(p *pieces){skip(pieceDown|skippedBefore, 4), skip(pieceDown|skippedBefore, 1)}, tooMany},
		"of what is not known":       {[]func(p *pieces){skip(pieceSlave, 1)}, `channel "abc123" skips numbers of nothing that is known here`},
		"cut off":                    {[]func(p *pieces){func(p *pieces) { p.byte(pieceSkipped); p.byte(pieceSlave) }}, errCut.Error()},
	} {
		t.Run(what, func(t *testing.T) {
			c, _, _ := openTable(t, Limits{}, 0)
			c.ends()
			c.down.newest, c.down.lost, c.up.newest, c.up.lost = 10, 4, 10, 4
			p := pieces{}
			p.head(c.Channel)
			for _, write := range test.write {
				write(&p)
			}
			_, err := imported(c.limits, p.part)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
		})
	}
}
