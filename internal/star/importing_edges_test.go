package star

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// An answer that says no answers something, in words, and asks nothing.
func TestImportsOfAnswersThatSayNo(t *testing.T) {
	failure, _ := wire.NewFailure("no", "not now")
	for _, test := range []struct {
		reply uint64
		asks  bool
		words string
		ok    bool
	}{
		{1, false, string(failure.Data), true},
		{0, false, string(failure.Data), false},
		{1, true, string(failure.Data), false},
		{1, false, "no", false},
	} {
		c, a, _ := openTable(t, Limits{}, 0)
		c.did0(c.says(a, "x"))
		c.ends()
		p := pieces{}
		p.head(c.Channel)
		p.byte(pieceDown)
		p.flags(test.asks)
		p.text("alice")
		p.number(test.reply)
		p.byte(byte(wire.FailedPayload))
		p.bytes([]byte(test.words))
		_, err := imported(c.limits, p.part)
		if test.ok {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, `a message of "alice" says no to nothing, or not in words`)
		}
	}
}

// A topic has as many bytes as a short name may have.
func TestImportsOfALongTopic(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	msg := textMessage(0, "x")
	msg.Topic = strings.Repeat("x", wire.MaxShortName)
	c.did0(func() error { return c.Send(a, msg) })
	c.ends()
	_, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
}

// Of a piece that is cut off, nothing else is wrong.
func TestImportsOfPiecesThatAreCutOff(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	c.ends()
	for what, write := range map[string]func(p *pieces){
		"a request":    func(p *pieces) { p.byte(pieceRequest) },
		"an end":       func(p *pieces) { p.byte(pieceEnding) },
		"a mute":       func(p *pieces) { p.voice(&voice{all: true}); p.byte(pieceVoice) },
		"an attribute": func(p *pieces) { p.byte(pieceAttribute) },
	} {
		p := pieces{}
		p.head(c.Channel)
		write(&p)
		require.EqualError(t, NewImport(c.limits, anyPayload, 0).Add(p.part), errCut.Error(), what)
	}
}

// Members are on connections in the parts of a channel that another hub decides, and in no others.
func TestPartsOfAChannelThatIsElsewhere(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.Lose(c.now, u[2])
	u[1].Hub = &Hub{3}
	read := func(elsewhere bool, more func(p *pieces)) (*Channel, error) {
		i := NewImport(c.limits, anyPayload, 0)
		if elsewhere {
			i.Elsewhere()
		}
		for _, part := range c.parts() {
			if err := i.Add(part); err != nil {
				return nil, err
			}
		}
		p := pieces{}
		more(&p)
		if err := i.Add(p.part); err != nil {
			return nil, err
		}
		return i.Finish()
	}
	nothing := func(*pieces) {}
	seat := func(name string) func(p *pieces) {
		return func(p *pieces) { p.byte(pieceSeat); p.text(name); p.seat(c.slaves["user_1"]) }
	}
	restored, err := read(true, nothing)
	require.NoError(t, err)
	require.Equal(t, c.Snapshot(), restored.Snapshot())
	require.Empty(t, restored.effects)
	require.Equal(t, 1, restored.connected)
	require.NoError(t, a.stale())

	_, err = read(false, nothing)
	require.ErrorContains(t, err, `"user_1" is on a connection in channel "abc123"`)
	for _, name := range []string{"user_1", "alice", "nobody"} {
		_, err = read(true, seat(name))
		require.ErrorContains(t, err, "is on a connection in channel")
	}
	_, err = read(true, func(p *pieces) { p.byte(pieceSeat) })
	require.ErrorIs(t, err, errCut)
	_, err = read(true, func(p *pieces) { p.byte(pieceSeat); p.text("user_2"); p.byte(0) })
	require.ErrorIs(t, err, errCut)
	restored, err = read(true, seat("user_2"))
	require.NoError(t, err)
	require.Empty(t, restored.Snapshot().Away)
}
