package cluster

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

func someRequest(calls ...string) Request {
	r := Request{Key: cluster.KeyOf("room"), Epoch: 7, Incarnation: cluster.Nonce{1, 2, 3}, N: 9}
	for _, call := range calls {
		r.Calls = append(r.Calls, []byte(call))
	}
	return r
}

func TestRequestsAsBytes(t *testing.T) {
	for _, r := range []Request{
		someRequest(),
		someRequest(""),
		someRequest("a", "", "b"),
		someRequest(string(make([]byte, 127)), string(make([]byte, 128)), string(make([]byte, MaxCall))),
		{N: 1<<64 - 1, Epoch: 1<<64 - 1},
	} {
		b := AppendRequest(nil, r)
		size := requestHeader
		for _, call := range r.Calls {
			size += callSize(call)
		}
		require.Len(t, b, size)
		got, err := ParseRequest(b)
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
}

// Hubs of other versions read these bytes: they stay as they are.
func TestARequestsBytes(t *testing.T) {
	r := Request{cluster.Key{0xaa}, 0x0102, cluster.Nonce{0xbb}, 3, [][]byte{[]byte("call"), {}}}
	require.Equal(t, "aa000000000000000000000000000000"+"0000000000000102"+"bb00000000000000"+"0000000000000003"+"0463616c6c"+"00",
		fmt.Sprintf("%x", AppendRequest(nil, r)))
}

func TestWhatIsNoRequest(t *testing.T) {
	valid := AppendRequest(nil, someRequest("call"))
	header := AppendRequest(nil, someRequest())
	calls := someRequest()
	calls.Calls = make([][]byte, maxCalls+1)
	zero := someRequest("call")
	zero.N = 0
	for what, b := range map[string][]byte{
		"nothing":               nil,
		"half a header":         header[:requestHeader-1],
		"no number":             AppendRequest(nil, zero),
		"half a call":           valid[:len(valid)-1],
		"half a length":         append(bytes.Clone(header), 0x80),
		"a length with zeros":   append(bytes.Clone(header), 0x80, 0x00),
		"a length of 70 bits":   append(bytes.Clone(header), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"a call that is larger": AppendRequest(nil, someRequest(string(make([]byte, MaxCall+1)))),
		"more calls":            AppendRequest(nil, calls),
	} {
		r, err := ParseRequest(b)
		require.ErrorIs(t, err, errRequest, what)
		require.Zero(t, r, what)
	}
	calls.Calls = calls.Calls[1:]
	_, err := ParseRequest(AppendRequest(nil, calls))
	require.NoError(t, err)
}

// What one has of a call ends where the call ends: who appends to it writes over no other.
func TestCallsOfARequestDoNotOverlap(t *testing.T) {
	r, err := ParseRequest(AppendRequest(nil, someRequest("one", "two")))
	require.NoError(t, err)
	_ = append(r.Calls[0], "xxxx"...)
	require.Equal(t, "two", string(r.Calls[1]))
}

// One request has one form.
func FuzzParseRequest(f *testing.F) {
	f.Add(AppendRequest(nil, someRequest("one", "", "two")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err != nil {
			require.Zero(t, r)
			return
		}
		require.Equal(t, b, AppendRequest(nil, r))
		require.NotZero(t, r.N)
	})
}
