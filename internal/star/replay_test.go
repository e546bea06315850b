package star

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// numbers are the numbers of the messages that are kept after last.
func (l *replayLog) numbers(last uint64) []uint64 {
	numbers := []uint64{}
	for e := range l.after(last) {
		if e.packet != nil { // else it has expired
			numbers = append(numbers, e.packet.Frame().Seq)
		}
	}
	return numbers
}

func TestReplayLogKeepsTheLatest(t *testing.T) {
	tests := []struct {
		what  string
		bound Bound
		sizes []int
		kept  []uint64
	}{
		{"nothing added", Bound{3, 1 << 10}, nil, []uint64{}},
		{"fewer than the bound", Bound{3, 1 << 10}, []int{1, 1}, []uint64{1, 2}},
		{"as many", Bound{3, 1 << 10}, []int{1, 1, 1}, []uint64{1, 2, 3}},
		{"more", Bound{3, 1 << 10}, []int{1, 1, 1, 1}, []uint64{2, 3, 4}},
		{"many more", Bound{2, 1 << 10}, make([]int, 100), []uint64{99, 100}},
		{"as many bytes", Bound{9, 2*entryOverhead + 20}, []int{10, 10}, []uint64{1, 2}},
		{"a byte more", Bound{9, 2*entryOverhead + 20}, []int{10, 11}, []uint64{2}},
		{"a large one drops several", Bound{9, 4 * entryOverhead}, []int{0, 0, 0, 0, 2 * entryOverhead}, []uint64{4, 5}},
		{"one over the bytes is kept", Bound{9, 10}, []int{1000}, []uint64{1}},
		{"one over the bytes alone", Bound{9, 10}, []int{1, 1000, 2}, []uint64{3}},
		{"none are kept", Bound{0, 0}, []int{1, 1}, []uint64{}},
		{"no messages, many bytes", Bound{0, 1 << 10}, []int{1, 1}, []uint64{}},
		{"no bytes, many messages", Bound{9, 0}, []int{1, 1}, []uint64{2}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			l := replayLog{bound: test.bound}
			for _, size := range test.sizes {
				l.add(numbered(l.newest+1, size, nil))
			}
			require.Equal(t, uint64(len(test.sizes)), l.newest)
			require.Equal(t, test.kept, l.numbers(0))
			require.Equal(t, len(test.kept), l.kept())
			require.Equal(t, l.newest-uint64(l.kept()), l.lost)
			require.Equal(t, l.lost, l.lostCommon)
			for last := range l.newest + 1 {
				from := slices.IndexFunc(test.kept, func(n uint64) bool { return n > last })
				if from < 0 {
					from = len(test.kept)
				}
				require.Equal(t, test.kept[from:], l.numbers(last), "after %d", last)
			}
		})
	}
}

func TestReplayLogTellsWhoseIsLost(t *testing.T) {
	one, two := &member{name: "user_one"}, &member{name: "user_two"}
	l := replayLog{bound: Bound{Messages: 1, Bytes: 1 << 10}}
	steps := []struct {
		to   *member
		lost []uint64 // the newest of all, of user_one's and of user_two's
	}{
		{one, []uint64{0, 0, 0}},
		{nil, []uint64{0, 1, 0}},
		{two, []uint64{2, 1, 0}},
		{two, []uint64{2, 1, 3}},
		{one, []uint64{2, 1, 4}},
		{nil, []uint64{2, 5, 4}},
		{nil, []uint64{6, 5, 4}},
	}
	for i, step := range steps {
		l.add(numbered(uint64(i+1), 0, step.to))
		require.Equal(t, step.lost, []uint64{l.lostCommon, one.lostPrivate, two.lostPrivate}, "step %d", i+1)
	}
}

// The log against a plain slice.
func TestReplayLogRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		bound := Bound{Messages: random.IntN(40), Bytes: random.IntN(20 * (entryOverhead + 50))}
		l := replayLog{bound: bound}
		var plain []entry
		for n := range uint64(200) {
			e := numbered(n+1, random.IntN(100), nil)
			l.add(e)
			plain = append(plain, e)
			for len(plain) > bound.Messages || len(plain) > 1 && sizeOf(plain) > bound.Bytes {
				plain = plain[1:]
			}
			require.Equal(t, sizeOf(plain), l.bytes)
			kept := []uint64{}
			for _, e := range plain {
				kept = append(kept, e.packet.Frame().Seq)
			}
			require.Equal(t, kept, l.numbers(0), "bound %+v", bound)
			require.Equal(t, len(plain), l.kept())
			require.LessOrEqual(t, len(l.entries), 2*len(plain)+17, "what was dropped is let go")
		}
	}
}

func numbered(seq uint64, size int, to *member) entry {
	frame := messageFrame("", "", seq, &Message{})
	return entry{packet: wire.NewPacket(&frame), size: size, to: to}
}

func sizeOf(entries []entry) (bytes int) {
	for _, e := range entries {
		bytes += e.size + entryOverhead
	}
	return bytes
}

// A message is one piece of memory, and what only some have is made for them alone.
func TestAMessageIsOneAllocation(t *testing.T) {
	c, msg := &Channel{name: "abc123"}, &Message{Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte("x")}}
	var p *wire.Packet
	pack := func() { p = c.upPacket("user_one", 0, 1, msg) }
	require.EqualValues(t, 1, testing.AllocsPerRun(100, pack))
	msg.Topic = "slide"
	require.Greater(t, testing.AllocsPerRun(100, pack), 1.0)
	require.Equal(t, "slide", p.Frame().Topic())
}
