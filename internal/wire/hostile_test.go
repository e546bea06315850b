package wire_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Inputs that are too large for the vectors. Together with the vectors they
// cover what syntax alone can decide of D1 to D6, D10 and D12 of the project's
// list of bad inputs.
func TestHostileInputs(t *testing.T) {
	const open = `{"type":"send","ref":2,"channel":"abc123",`
	fields := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"x%d":0,`, i)
		}
		return b.String()
	}
	binarySend := "\x04\x01\x01\x02\x02\x06abc123"
	members := "\x0a\x01\x01\x02\x02\x06abc123\x1c"
	tests := map[string]struct {
		input string
		ref   uint64
	}{
		"data nested a million deep":             {open + `"data":` + strings.Repeat("[", 1e6), 2},
		"closed data nested a million deep":      {open + `"data":` + strings.Repeat("[", 1e6) + strings.Repeat("]", 1e6) + `}`, 2},
		"an unknown field nested a million deep": {open + `"x":` + strings.Repeat(`{"a":`, 1e6), 2},
		"a frame nested a million deep":          {strings.Repeat(`{"a":`, 1e6), 0},
		"more fields than a frame may have":      {open + fields(wire.MaxFields-3) + `"text":"x"}`, 2},
		"100,000 fields":                         {open + fields(1e5) + `"text":"x"}`, 2},
		"a number of a million digits":           {`{"type":"ping","ref":1` + strings.Repeat("0", 1e6) + `}`, 0},
		"a number of a million zeros":            {`{"type":"ping","ref":` + strings.Repeat("0", 1e6) + `}`, 0},
		"a million spaces":                       {`{"type":"ping","ref":7` + strings.Repeat(" ", 1e6), 7},
		"a million escapes that break off":       {open + `"text":"` + strings.Repeat(`\u0041`, 1e6), 2},
		"100,000 members, the last a bad one": {
			open[:1] + `"type":"members","channel":"abc123","members":[` +
				strings.Repeat(`{"username":"","state":"away"},`, 1e5) + `{}]}`, 0,
		},
		"binary: 2^40 bytes of text declared":       {binarySend + "\x7d" + uvarint(1<<40) + "abc", 2},
		"binary: 2^40 bytes of members declared":    {members + uvarint(1<<40) + "\x01a\x01", 2},
		"binary: a name of 2^40 bytes in a list":    {members + "\x07" + uvarint(1<<40) + "a", 2},
		"binary: a million members, the last short": {members + uvarint(3e6+1) + strings.Repeat("\x01a\x01", 1e6) + "\x01", 2},
		"binary: data nested a million deep":        {binarySend + "\x7e" + uvarint(1e6) + strings.Repeat("[", 1e6), 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var err error
			spent := allocated(func() { _, err = wire.Decode([]byte(test.input)) })
			var decodeErr *wire.DecodeError
			require.ErrorAs(t, err, &decodeErr)
			require.Equal(t, wire.CodeBadFrame, decodeErr.Code)
			require.Equal(t, test.ref, decodeErr.Ref, decodeErr)
			require.False(t, decodeErr.NoForm)
			require.Less(t, len(decodeErr.Error()), 100)
			require.LessOrEqual(t, spent, bound(len(test.input)))
		})
	}
}

// bound is what decoding may allocate in all for an input of that many bytes.
// The costliest is a binary list of members without names: 32 bytes for 2.
func bound(size int) uint64 { return uint64(18*size + 4096) }

// allocated returns how many bytes f allocates: the least of several times, since
// the runtime allocates now and then for itself.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

func uvarint(n uint64) string { return string(binary.AppendUvarint(nil, n)) }

// What is refused at once costs next to nothing, however much it declares.
func TestDeclaredLengthsCostNothing(t *testing.T) {
	for _, input := range []string{
		"\x04\x02" + uvarint(1<<40) + "abc",
		"\x04\x02\x01a\x7d" + uvarint(1<<62) + "abc",
		"\x0a\x02\x01a\x1c" + uvarint(1<<31) + "\x01a\x01",
		`{"type":"send","data":[`,
	} {
		data := []byte(input)
		spent := allocated(func() {
			for range 100 {
				_, _ = wire.Decode(data)
			}
		})
		require.Less(t, spent/100, uint64(256), "%q", input)
	}
}

// Of a good frame, too, no more is allocated than its size accounts for.
func TestAllocationIsBoundedBySize(t *testing.T) {
	const open = `{"type":"send","channel":"abc123",`
	many := strings.Repeat("\x00\x01", 1e5)
	for name, input := range map[string]string{
		"text":               open + `"text":"` + strings.Repeat("x", 1e5) + `"}`,
		"escapes":            open + `"text":"` + strings.Repeat(`\n`, 1e5) + `"}`,
		"base64":             open + `"base64":"` + strings.Repeat("AAAA", 1e5) + `"}`,
		"unknown fields":     open + `"text":"","` + strings.Repeat("a", 1e5) + `":0,"` + strings.Repeat(`\u0062`, 1e5) + `":0}`,
		"members":            `{"type":"members","channel":"a","members":[` + strings.Repeat(`{"username":"","state":"away"},`, 1e5) + `{"username":"","state":"away"}]}`,
		"binary: members":    "\x0a\x02\x01a\x1c" + uvarint(uint64(len(many))) + many,
		"binary: a long one": "\x04\x02" + uvarint(1e5) + strings.Repeat("a", 1e5) + "\x7f\x00",
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte(input)
			var err error
			spent := allocated(func() { _, err = wire.Decode(data) })
			require.NoError(t, err)
			require.LessOrEqual(t, spent, bound(len(data)))
		})
	}
}

// A payload that needs no decoding lies in the input, cut off from what follows.
func TestPayloadAliasesTheInput(t *testing.T) {
	for name, input := range map[string]string{
		"text":         `{"type":"send","channel":"a","text":"hello"}`,
		"data":         `{"type":"send","channel":"a","data": "hello" }`,
		"binary text":  "\x04\x02\x01a\x7d\x05hello",
		"binary data":  "\x04\x02\x01a\x7e\x08 \"hello\"",
		"binary bytes": "\x04\x02\x01a\x7f\x05hello",
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte(input)
			frame, err := wire.Decode(data)
			require.NoError(t, err)
			require.Equal(t, len(frame.Payload.Data), cap(frame.Payload.Data))
			clear(data)
			require.NotContains(t, string(frame.Payload.Data), "hello")
			require.Equal(t, "a", frame.Channel, "strings are copies")
		})
	}
}

func TestDecodeChangesNothing(t *testing.T) {
	for _, input := range readVectors(t).inputs(t) {
		before := string(input)
		_, _ = wire.Decode(input)
		require.Equal(t, before, string(input))
	}
}

func TestValidData(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for data, want := range map[string]bool{
		`{}`: true, ` [1, "a", null] `: true, `1e400`: true, `"\ud83d\udc4b"`: true, `{"a":1,"a":2}`: true,
		nested(wire.MaxDepth): true, nested(wire.MaxDepth + 1): false,
		``: false, ` `: false, `{`: false, `1 2`: false, `nil`: false, "\"\xff\"": false, `"\ud800"`: false,
		"\"\n\"": false, `01`: false, `.5`: false, `-`: false, `[1,]`: false, `{"a"}`: false, `{"a":}`: false, `{a:1}`: false,
	} {
		require.Equal(t, want, wire.ValidData([]byte(data)), "%q", data)
	}
}

// What is wrong with a frame is said with the field, or with the place in the text.
func TestDecodeErrorsNameTheField(t *testing.T) {
	for frame, detail := range map[string]string{
		`{"ref":"4"}`:                                        "ref: not a whole number from 1 to 2^53, in digits and without quotes",
		`{"type":"ping","ref":4 }x`:                          "more than one JSON value, at byte 25",
		`{"type":"ping",}`:                                   "not JSON, at byte 16",
		`{"type":"join"}`:                                    "channel: required, and missing",
		`{"type":"join","channel":"a","username":7}`:         "username: not a string",
		`{"type":"kick","channel":"a","to":"b","ban":"yes"}`: "ban: neither true nor false",
		`{"type":"send","channel":"a"}`:                      "one of text, data and base64 is required",
		`{"type":"send","channel":"a","base64":"x"}`:         "base64: not base64 with its padding and nothing in between",
		`{"type":"send","channel":"a","text":"x","reply":0}`: "reply: not a whole number from 1 to 2^53, in digits and without quotes",
		`{"type":"ping","x":1,"x":2}`:                        "a field that is not known: given twice",
		`{"type":"ping","ref":1,"ref":1}`:                    "ref: given twice",
		`{"ref":1}`:                                          "type: not a string, or missing",
		`{"type":"nope"}`:                                    "type: not one that this side knows",
		"\x02\x02\x01a":                                      "username: required, and missing",
		"\x02\x02\x01\xff":                                   "channel: not UTF-8",
		"\x0b\x01\x01\x00":                                   "ref: not a whole number from 1 to 2^53, in digits and without quotes",
		"\x04\x02\x01a\x7e\x01{":                             "data: not JSON",
	} {
		_, err := wire.Decode([]byte(frame))
		var bad *wire.DecodeError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, detail, bad.Detail, "%q", frame)
	}
}

// A list that a client sends is worth nothing, and costs nothing.
func TestListsOfClientsAreNotKept(t *testing.T) {
	many := strings.Repeat("\x00\x01", 1e5)
	numbers := strings.Repeat("\x07", 1e5)
	for name, input := range map[string]string{
		"text":    `{"type":"members","ref":7,"channel":"a","members":[` + strings.Repeat(`{"username":"x","state":"away","number":3},`, 1e4) + `{"username":"","state":"away"}]}`,
		"binary":  "\x0a\x01\x01\x07\x02\x01a\x1c" + uvarint(uint64(len(many))) + many,
		"numbers": "\x0a\x01\x01\x07\x02\x01a\x1c" + uvarint(uint64(len(many))) + many + "\x1e" + uvarint(1e5) + numbers,
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte(input)
			var frame wire.Frame
			var err error
			spent := allocated(func() {
				frame = wire.Frame{}
				err = wire.DecodeFromClient(&frame, data)
			})
			require.NoError(t, err)
			require.Equal(t, wire.Frame{Type: wire.Members, Ref: 7, Channel: "a", HasMembers: true}, frame)
			require.Less(t, spent, uint64(256))
		})
	}
}
