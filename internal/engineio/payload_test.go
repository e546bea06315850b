package engineio

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// words are what a payload carries, as a test writes it: text, or hexadecimal digits behind #.
func words(t require.TestingT, body string, version int, binary bool) (words []string, err error) {
	err = decodePayload([]byte(body), version, binary, func(packet []byte, isText bool) error {
		if isText {
			words = append(words, string(packet))
		} else {
			words = append(words, fmt.Sprintf("#%x", packet))
		}
		return nil
	})
	return words, err
}

func TestPayloads(t *testing.T) {
	for _, c := range []struct {
		version int
		binary  bool
		body    string
		want    []string
	}{
		{4, false, "4one", []string{"4one"}},
		{4, false, "4one\x1e4two\x1ebAP8Q", []string{"4one", "4two", "#00ff10"}},
		{3, false, "4:4one5:4twoo", []string{"4one", "4twoo"}},
		{3, false, "4:4ü€😀"[:2] + "4ü😀", []string{"4ü😀"}},
		{3, false, "6:b4AP8Q", nil},
		{3, false, "6:b4AP8Q2:4x", nil},
		{3, true, "\x00\x04\xff4one\x01\x04\xff\x04\x00\xff\x10", []string{"4one", "#00ff10"}},
		{3, false, "", nil},
	} {
		if c.want == nil && c.body != "" {
			c.want = []string{"#00ff10"}
			if strings.HasSuffix(c.body, "4x") {
				c.want = append(c.want, "4x")
			}
		}
		got, err := words(t, c.body, c.version, c.binary)
		require.NoError(t, err, "%q", c.body)
		require.Equal(t, c.want, got, "%q", c.body)
	}
	for _, c := range []struct {
		version int
		binary  bool
		body    string
	}{
		{4, false, "b!"},
		{4, false, "\xff"},
		{3, false, "4one"},
		{3, false, "9:4one"},
		{3, false, "x:4one"},
		{3, false, "99999999999999999999:4one"},
		{3, false, "2:😀😀"[:7]},
		{3, false, "1:😀"},
		{3, true, "\x02\x01\xff4"},
		{3, true, "\x00\xff"},
		{3, true, "\x00\x0a\xff4"},
		{3, true, "\x00\x09\x09\xff4"},
		{3, true, "\x01\x01\xff4"},
		{3, true, "\x00\x02\xff4\xff"},
	} {
		_, err := words(t, c.body, c.version, c.binary)
		require.ErrorIs(t, err, transport.ErrProtocol, "%q", c.body)
	}
}

// FuzzPayload: what can be read is read as it was written, and nothing makes it panic.
func FuzzPayload(f *testing.F) {
	for _, body := range []string{"4one\x1e4two", "bAP8Q", "4:4one", "6:b4AP8Q", "\x00\x04\xff4one", "\x01\x02\xff\x04\x00", ""} {
		f.Add([]byte(body), true)
		f.Add([]byte(body), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, binary bool) {
		for _, version := range []int{3, 4} {
			var packets [][]byte
			err := decodePayload(bytes.Clone(body), version, binary, func(packet []byte, isText bool) error {
				if isText {
					packets = append(packets, append([]byte{1}, packet...))
				} else {
					packets = append(packets, append(Binary(nil, version), packet...))
				}
				return nil
			})
			if err != nil || len(packets) == 0 {
				continue
			}
			again, n := encodePayload(nil, packets, version), 0
			err = decodePayload(again, version, false, func(packet []byte, isText bool) error {
				want := packets[n]
				n++
				if isText {
					require.Equal(t, string(want[1:]), string(packet))
				} else {
					require.True(t, bytes.HasSuffix(want, packet))
				}
				return nil
			})
			if err == nil {
				require.Len(t, packets, n)
			}
		}
	})
}
