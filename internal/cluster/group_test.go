package cluster

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// full is a header with something in each field.
var full = Header{
	Claim: Owned, Epoch: 1 << 40, Hub: cluster.HubID{1, 2, 3}, Incarnation: cluster.Nonce{9, 8}, Base: 300, Master: [16]byte{7, 15: 7},
}

func TestGroupsComeBackAsTheyWere(t *testing.T) {
	for _, test := range []struct {
		name   string
		header Header
		items  []Item
	}{
		{"nothing", Header{}, []Item{}},
		{"a header alone", full, []Item{}},
		{"the largest numbers", Header{Claim: Ended, Epoch: math.MaxUint64, Base: math.MaxUint64}, []Item{{Record, []byte("x")}}},
		{"every kind", full, []Item{{Record, []byte("a")}, {Effect, []byte("bc")}, {Reply, []byte{}}, {Snapshot, bytes.Repeat([]byte("d"), 1000)}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := AppendGroup([]byte("before"), test.header, test.items)
			require.Equal(t, "before", string(body[:6]))
			body = body[6:]
			h, items, err := ParseGroup(body)
			require.NoError(t, err)
			require.Equal(t, test.header, h)
			require.Equal(t, test.items, items)
			h, err = ParseHeader(body)
			require.NoError(t, err)
			require.Equal(t, test.header, h)

			var b Builder
			for _, item := range test.items {
				require.True(t, b.Add(item.Kind, item.Data))
			}
			require.Equal(t, len(test.items), b.Items())
			require.Equal(t, body, b.Bytes(test.header))
			require.Equal(t, AppendGroup(nil, Header{}, test.items), b.Bytes(Header{}), "another header in front of the same items")
			b.Reset()
			require.Equal(t, AppendGroup(nil, full, nil), b.Bytes(full))
			require.Zero(t, b.Items())
		})
	}
}

// Data of items ends where the item does: who appends to it does not write into the next one.
func TestItemsShareTheBodyOnly(t *testing.T) {
	body := AppendGroup(nil, full, []Item{{Record, []byte("a")}, {Record, []byte("b")}})
	_, items, err := ParseGroup(body)
	require.NoError(t, err)
	_ = append(items[0].Data, "overwritten"...)
	require.Equal(t, "b", string(items[1].Data))
	body[len(body)-1] = 'c'
	require.Equal(t, "c", string(items[1].Data))
}

func TestWhatIsNoGroup(t *testing.T) {
	header := AppendGroup(nil, full, nil)
	with := func(tail ...byte) []byte { return append(bytes.Clone(header), tail...) }
	for _, test := range []struct {
		name string
		body []byte
		want error
	}{
		{"nothing", nil, ErrMalformed},
		{"a version alone", []byte{1}, ErrMalformed},
		{"version 0", append([]byte{0}, header[1:]...), UnknownVersion(0)},
		{"a later version, whatever follows", []byte{2}, UnknownVersion(2)},
		{"an unknown claim", append([]byte{1, 5}, header[2:]...), ErrMalformed},
		{"a long epoch", append([]byte{1, 1, 0x80, 0x00}, header[8:]...), ErrMalformed},
		{"an epoch of 65 bits", append([]byte{1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2}, header[8:]...), ErrMalformed},
		{"an item of kind 0", with(0, 0), ErrMalformed},
		{"an item of an unknown kind", with(5, 0), ErrMalformed},
		{"an item without a length", with(1), ErrMalformed},
		{"an item that is cut off", with(1, 2, 'x'), ErrMalformed},
		{"an item with a long length", with(1, 0x81, 0, 'x'), ErrMalformed},
		{"an item of 2^63 bytes", with(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1), ErrMalformed},
		{"something behind the items", with(1, 1, 'x', 1), ErrMalformed},
		{"too large", make([]byte, cluster.MaxGroup+1), cluster.ErrTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := ParseGroup(test.body)
			require.ErrorIs(t, err, test.want)
			var version UnknownVersion
			_, expected := test.want.(UnknownVersion)
			require.Equal(t, expected, errors.As(err, &version))
		})
	}
	for n := range header { // a header that is cut off
		_, err := ParseHeader(header[:n])
		require.ErrorIs(t, err, ErrMalformed)
	}
}

func TestABuilderIsFilledToTheLimit(t *testing.T) {
	largest := full
	largest.Epoch, largest.Base = math.MaxUint64, math.MaxUint64

	var b Builder
	require.False(t, b.Add(Record, make([]byte, MaxItem+1)))
	require.Zero(t, b.Items())
	require.True(t, b.Add(Record, make([]byte, MaxItem)))
	require.False(t, b.Add(Record, nil), "there is no room for an empty one")
	require.Len(t, b.Bytes(largest), cluster.MaxGroup)
	require.Equal(t, cluster.MaxGroup, b.Len())
	_, items, err := ParseGroup(b.Bytes(largest))
	require.NoError(t, err)
	require.Len(t, items, 1)

	b.Reset()
	added := 0
	for b.Add(Effect, make([]byte, added%300)) { // lengths of one and two bytes
		added++
	}
	require.Equal(t, added, b.Items())
	require.Greater(t, b.Len(), cluster.MaxGroup-400)
	_, items, err = ParseGroup(b.Bytes(largest))
	require.NoError(t, err)
	require.Len(t, items, added)
	for i, item := range items {
		require.Len(t, item.Data, i%300)
	}
	require.True(t, b.Add(Effect, nil), "what did not fit has left nothing behind")
	_, items, err = ParseGroup(b.Bytes(full))
	require.NoError(t, err)
	require.Len(t, items, added+1)
}

func TestABuilderLetsALargeBufferGo(t *testing.T) {
	var b Builder
	require.True(t, b.Add(Record, make([]byte, 100_000)))
	b.Reset()
	require.True(t, b.Add(Record, make([]byte, 100)))
	b.Reset()
	require.Less(t, cap(b.b), 10_000)
}

func FuzzParseGroup(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		h, items, err := ParseGroup(body)
		if err != nil {
			var version UnknownVersion
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, cluster.ErrTooLarge) && !errors.As(err, &version) {
				t.Fatal(err)
			}
			return
		}
		if again := AppendGroup(nil, h, items); !bytes.Equal(again, body) {
			t.Fatalf("%x was read, and is written as %x", body, again)
		}
		if alone, err := ParseHeader(body); err != nil || alone != h {
			t.Fatalf("the header alone is %v, %v", alone, err)
		}
	})
}
