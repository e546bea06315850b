package cluster

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

func someAnswer(outcome Outcome) answerMessage {
	m := answerMessage{key: cluster.KeyOf("room"), Answer: Answer{
		Outcome: outcome, Owner: Owner{cluster.HubID{1}, 7, cluster.Nonce{2}}, N: 9,
	}}
	switch outcome {
	case Done:
		m.Position, m.Shared, m.total, m.chunk = 12, 11, 4, []byte("body")
	case Moved:
		m.Next = Owner{cluster.HubID{3}, 8, cluster.Nonce{2}}
	}
	return m
}

func TestAnswersAsBytes(t *testing.T) {
	for _, outcome := range []Outcome{Done, Moved, Unknown, Busy, Forgotten} {
		m := someAnswer(outcome)
		got, err := parseAnswer(appendAnswer(nil, m))
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
}

// Hubs of other versions read these bytes: they stay as they are.
func TestAnAnswersBytes(t *testing.T) {
	for outcome, rest := range map[Outcome]string{
		Done:      "000000000000000c" + "000000000000000b" + "00000004" + "00000000" + "626f6479",
		Moved:     "03000000000000000000000000000000" + "0000000000000008",
		Unknown:   "",
		Busy:      "",
		Forgotten: "",
	} {
		m := someAnswer(outcome)
		m.key = cluster.Key{0xaa}
		require.Equal(t, map[Outcome]string{Done: "01", Moved: "02", Unknown: "03", Busy: "04", Forgotten: "05"}[outcome]+
			"aa000000000000000000000000000000"+"01000000000000000000000000000000"+"0000000000000007"+"0200000000000000"+"0000000000000009"+rest,
			fmt.Sprintf("%x", appendAnswer(nil, m)))
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	changed := func(outcome Outcome, change func(m *answerMessage)) []byte {
		m := someAnswer(outcome)
		change(&m)
		return appendAnswer(nil, m)
	}
	for what, b := range map[string][]byte{
		"nothing":                          nil,
		"half a header":                    appendAnswer(nil, someAnswer(Busy))[:answerHeader-1],
		"no outcome":                       changed(0, func(*answerMessage) {}),
		"nobody, which no hub says":        changed(Nobody, func(*answerMessage) {}),
		"a refusal with more":              append(appendAnswer(nil, someAnswer(Unknown)), 0),
		"moved to half an owner":           bytes.TrimSuffix(appendAnswer(nil, someAnswer(Moved)), []byte{8}),
		"moved with more":                  append(appendAnswer(nil, someAnswer(Moved)), 0),
		"half a header of what is done":    appendAnswer(nil, someAnswer(Done))[:doneHeader-1],
		"less than the body":               changed(Done, func(m *answerMessage) { m.chunk = m.chunk[1:] }),
		"more than the body":               changed(Done, func(m *answerMessage) { m.chunk = append(m.chunk, 0) }),
		"an offset between chunks":         changed(Done, func(m *answerMessage) { m.offset, m.chunk = 1, m.chunk[1:] }),
		"an offset behind the body":        changed(Done, func(m *answerMessage) { m.offset, m.chunk = chunkSize, nil }),
		"an offset at the end of the body": changed(Done, func(m *answerMessage) { m.total, m.offset, m.chunk = chunkSize, chunkSize, nil }),
		"a body that is larger": changed(Done, func(m *answerMessage) {
			m.total, m.chunk = MaxAnswer+1, make([]byte, chunkSize)
		}),
	} {
		m, err := parseAnswer(b)
		require.ErrorIs(t, err, errAnswer, what)
		require.Zero(t, m, what)
	}
}

// A body of any size is in messages that an engine takes, and whole in whatever order they come.
func TestChunks(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 5*chunkSize + 3, MaxAnswer} {
		a := someAnswer(Done).Answer
		a.Body = make([]byte, size)
		for i := 0; i < size; i += 1 << 10 {
			a.Body[i] = byte(i>>10 + i/chunkSize)
		}
		all := messages(cluster.KeyOf("room"), a)
		require.Len(t, all, max(1, (size+chunkSize-1)/chunkSize))
		order := rand.Perm(len(all))
		order = append(order, order[0])
		var c chunks
		seen := make(map[int]bool)
		for _, i := range order {
			require.LessOrEqual(t, len(all[i]), cluster.MaxMessage)
			m, err := parseAnswer(all[i])
			require.NoError(t, err)
			require.Equal(t, !seen[i], c.add(m))
			seen[i] = true
			got, whole := c.answer()
			require.Equal(t, len(seen) == len(all), whole)
			if whole {
				require.True(t, bytes.Equal(a.Body, got.Body))
				got.Body = a.Body
				require.Equal(t, a, got)
			}
		}
	}
}

// Chunks of different answers are not put together, should an owner ever give two.
func TestChunksOfAnotherAnswer(t *testing.T) {
	for _, change := range []func(a *Answer){
		func(a *Answer) { a.Position++ },
		func(a *Answer) { a.Shared++ },
		func(a *Answer) { a.Body = a.Body[1:] },
	} {
		one := someAnswer(Done).Answer
		one.Body = make([]byte, 2*chunkSize)
		other := one
		change(&other)
		var c chunks
		for i, all := range [][][]byte{messages(cluster.Key{}, one), messages(cluster.Key{}, other)} {
			m, err := parseAnswer(all[i])
			require.NoError(t, err)
			require.True(t, c.add(m))
			_, whole := c.answer()
			require.False(t, whole)
		}
	}
}

// One message has one form.
func FuzzParseAnswer(f *testing.F) {
	for _, outcome := range []Outcome{Done, Moved, Unknown, Busy, Forgotten} {
		f.Add(appendAnswer(nil, someAnswer(outcome)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseAnswer(b)
		if err != nil {
			require.Zero(t, m)
			return
		}
		require.Equal(t, b, appendAnswer(nil, m))
		var c chunks
		require.Equal(t, m.Outcome == Done, m.Outcome == Done && c.add(m))
	})
}
