package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

func TestAnswersRememberTheLatest(t *testing.T) {
	const limit = 4
	for _, added := range []uint64{0, 1, limit - 1, limit, limit + 1, 3*limit + 2} {
		a := answers{limit: limit}
		// Refs rise, but not one by one: the sender counts other frames too.
		for i := uint64(1); i <= added; i++ {
			a.add(answer{ref: 10 * i, seq: i})
		}
		require.Equal(t, 10*added, a.highest)
		require.LessOrEqual(t, len(a.kept), limit)
		for i := uint64(1); i <= added; i++ {
			known, ok := a.find(10 * i)
			require.Equal(t, i+limit > added, ok, "%d of %d", i, added)
			if ok {
				require.Equal(t, i, known.seq)
			}
			_, ok = a.find(10*i - 5)
			require.False(t, ok, "a ref that was never used")
		}
		_, ok := a.find(10*added + 10)
		require.False(t, ok, "a ref that is still to come")
	}
}

func TestAnswersRememberRefusals(t *testing.T) {
	a := answers{limit: 1}
	a.add(answer{ref: 3, refusal: wire.ErrBusy})
	known, ok := a.find(3)
	require.True(t, ok)
	require.Equal(t, wire.ErrBusy, known.refusal)
	a.add(answer{ref: 4, seq: 1})
	_, ok = a.find(3)
	require.False(t, ok)
}

// The checksum of what was sent tells messages and changes apart that differ in one thing alone.
// It is in files, so it is the same in each version: that of a message without a topic and an end
// is as it was before there were any.
func TestChecksumsOfWhatWasSent(t *testing.T) {
	sums := map[uint32]string{}
	one := func(what string, want, got uint32) {
		t.Helper()
		require.Equal(t, want, got, what)
		require.Empty(t, sums[got], what)
		sums[got] = what
	}
	message := func(what string, want uint32, change func(msg *Message)) {
		t.Helper()
		msg := textMessage(9, "x")
		change(&msg)
		one(what, want, contentOf(&msg))
	}
	message("nothing", 0x0d0a03ff, func(*Message) {})
	message("a payload", 0xff6180fc, func(msg *Message) { msg.Payload.Data = []byte("y") })
	message("a kind", 0x7d28dca7, func(msg *Message) { msg.Payload.Kind = wire.BytesPayload })
	message("an empty address", 0xd04fa947, func(msg *Message) { msg.HasTo = true })
	message("an address", 0x43c08d54, func(msg *Message) { msg.To, msg.HasTo = "bob", true })
	message("what it asks", 0xa84b9181, func(msg *Message) { msg.Asks = true })
	message("what it answers", 0x2e3d727c, func(msg *Message) { msg.ReplyTo = 7 })
	message("a topic", 0x76244424, func(msg *Message) { msg.Topic = "slide" })
	message("how long it lasts", 0x2ddc25eb, func(msg *Message) { msg.Expires = time.Second })
	message("both", 0x4a0eb57c, func(msg *Message) { msg.Topic, msg.Expires = "slide", time.Second })
	same := textMessage(10, "x") // sent again, it comes later
	same.End = noon
	require.Equal(t, uint32(0x0d0a03ff), contentOf(&same))
	value := textMessage(0, "x").Payload
	one("a change", 0x5b204d37, contentOfChange(&AttributeChange{Key: "k", Value: value}))
	one("of another key", 0x15fe77cc, contentOfChange(&AttributeChange{Key: "kk", Value: value}))
	one("a removal", 0x64333f76, contentOfChange(&AttributeChange{Key: "k"}))
}
