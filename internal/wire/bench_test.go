package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

var forms = map[string]wire.Form{"binary": wire.Binary, "text": wire.Text}

// sized returns a text of so many bytes.
func sized(n int) []byte {
	return []byte(strings.Repeat("The quick brown fox jumps over the lazy dog. ", n/45+1)[:n])
}

func sendOf(n int) *wire.Frame {
	return &wire.Frame{
		Type: wire.Send, Ref: 1234, Channel: "abc123",
		Payload: wire.Payload{Kind: wire.TextPayload, Data: sized(n)},
	}
}

func messageOf(n int) *wire.Frame {
	return &wire.Frame{
		Type: wire.Message, Channel: "abc123", From: "alice", Seq: 123456,
		Payload: wire.Payload{Kind: wire.TextPayload, Data: sized(n)},
	}
}

func BenchmarkDecodeSend(b *testing.B) {
	for name, form := range forms {
		for _, size := range []int{32, 1024, 65536} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				data := wire.Append(nil, form, sendOf(size))
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					_, err := wire.Decode(data)
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	for name, form := range forms {
		for _, size := range []int{32, 1024, 65536} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				frame := messageOf(size)
				dst := wire.Append(nil, form, frame)
				b.SetBytes(int64(len(dst)))
				b.ReportAllocs()
				for b.Loop() {
					dst = wire.Append(dst[:0], form, frame)
				}
			})
		}
	}
}

// Frames of the fast path cost no more than the strings that they hold.
func TestAllocations(t *testing.T) {
	tests := map[string]struct {
		frame *wire.Frame
		most  float64
	}{
		"send":    {sendOf(1024), 1},    // channel
		"message": {messageOf(1024), 2}, // channel, from
	}
	for name, test := range tests {
		for formName, form := range forms {
			t.Run(name+"/"+formName, func(t *testing.T) {
				data := wire.Append(nil, form, test.frame)
				require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
					_, _ = wire.Decode(data)
				}), test.most, "decoding")
				require.Zero(t, testing.AllocsPerRun(100, func() {
					data = wire.Append(data[:0], form, test.frame)
				}), "writing into a buffer that is large enough")
			})
		}
	}
}
