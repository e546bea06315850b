package websocket_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

const protocolError = 1002

// What breaks the framing ends the connection at once: the peer is told, and
// Read says what it was.
func TestBrokenFraming(t *testing.T) {
	absurd := func(size uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{fin | opBinary, maskBit | 127}, size), 1, 2, 3, 4)
	}
	type input struct {
		name string
		sent []byte
		code int
		err  error
	}
	inputs := []input{
		{"B1 unmasked", append(header(fin|opText, 0, 2), "{}"...), protocolError, transport.ErrProtocol},
		{"B2 C1 RSV1", frame(fin|rsv1|opText, "{}"), protocolError, transport.ErrProtocol},
		{"B2 RSV2", frame(fin|rsv2|opText, "{}"), protocolError, transport.ErrProtocol},
		{"B2 RSV3", frame(fin|rsv3|opBinary, "{}"), protocolError, transport.ErrProtocol},
		{"B4 continuation first", frame(fin|opContinuation, "{}"), protocolError, transport.ErrProtocol},
		{"B4 message inside a message", append(frame(opText, "{"), frame(fin|opText, "}")...), protocolError, transport.ErrProtocol},
		{"B5 long ping", frame(fin|opPing, strings.Repeat("x", 126)), protocolError, transport.ErrProtocol},
		{"B5 fragmented ping", frame(opPing, "x"), protocolError, transport.ErrProtocol},
		{"B8 reason not UTF-8", frame(fin|opClose, closePayload(1000, "\xff")), protocolError, transport.ErrProtocol},
		{"B8 long reason", frame(fin|opClose, closePayload(1000, strings.Repeat("x", 124))), protocolError, transport.ErrProtocol},
		{"B9 length 2^63", absurd(1 << 63), 1009, transport.ErrMessageTooLarge},
		{"B9 length 2^64-1", absurd(1<<64 - 1), 1009, transport.ErrMessageTooLarge},
		{"B9 length 2^63-1", absurd(1<<63 - 1), 1009, transport.ErrMessageTooLarge},
		{"B9 length 2^62", absurd(1 << 62), 1009, transport.ErrMessageTooLarge},
		{"B9 lengths that overflow", append(frame(opBinary, "x"), append(binary.BigEndian.AppendUint64([]byte{opContinuation, maskBit | 127}, 1<<63-1), 1, 2, 3, 4)...), 1009, transport.ErrMessageTooLarge},
		{"B11 fragments over the limit", append(frame(opText, ""), bytes.Repeat(frame(opContinuation, "x"), 1001)...), 1009, transport.ErrMessageTooLarge},
		{"C1 bomb", frame(fin|rsv1|opBinary, bomb()), protocolError, transport.ErrProtocol},
		{"C2 bomb in fragments", append(frame(rsv1|opBinary, bomb()[:500]), frame(fin|opContinuation, bomb()[500:])...), protocolError, transport.ErrProtocol},
		{"C2 compressed continuation", append(frame(opBinary, "x"), frame(fin|rsv1|opContinuation, "x")...), protocolError, transport.ErrProtocol},
		{"C3 garbage for deflate, and a message behind it", append(frame(fin|rsv1|opText, "\xff\xff garbage"), frame(fin|opText, "{}")...), protocolError, transport.ErrProtocol},
		{"C3 nothing for deflate", frame(fin|rsv1|opText, ""), protocolError, transport.ErrProtocol},
		{"C4 compressed ping", frame(fin|rsv1|opPing, "x"), protocolError, transport.ErrProtocol},
		{"D4 text not UTF-8", frame(fin|opText, "{\"\xc3\x28\"}"), 1007, transport.ErrProtocol},
		{"D4 text ends inside a character", frame(fin|opText, "{\xe4\xb8"), 1007, transport.ErrProtocol},
		{"D4 text with a surrogate", frame(fin|opText, "{\xed\xa0\x80}"), 1007, transport.ErrProtocol},
		{"D9 message over the limit", frame(fin|opBinary, strings.Repeat("x", 1001)), 1009, transport.ErrMessageTooLarge},
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		inputs = append(inputs, input{fmt.Sprintf("B3 opcode %#x", op), frame(fin|op, "x"), protocolError, transport.ErrProtocol})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		inputs = append(inputs, input{fmt.Sprintf("B7 close %d", code), frame(fin|opClose, closePayload(code, "")), protocolError, transport.ErrProtocol})
	}
	for _, c := range inputs {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: 1000}})
				client.send(frame(fin|opText, "{}"), c.sent)
				got, err := server.Read()
				require.NoError(t, err)
				require.Equal(t, "{}", string(got))
				_, err = server.Read()
				require.ErrorIs(t, err, c.err)
				client.expectClose(c.code)
				require.Zero(t, time.Since(start))

				// Row B21.
				for range 2000 {
					_, again := server.Read()
					require.Equal(t, err, again)
				}
				require.Error(t, server.Write([]byte("{}")))
				go client.Close()
				require.NoError(t, server.Close(goodbye))
			})
		})
	}
}

// bomb is 60 MiB of zeros, deflated as permessage-deflate has it.
var bomb = sync.OnceValue(func() string {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression)
	for range 60 {
		w.Write(make([]byte, 1<<20))
	}
	w.Flush()
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
})

// Nothing is decompressed, so nothing is allocated for it.
func TestBombCostsNothing(t *testing.T) {
	t.Run("C1 bomb", func(t *testing.T) {
		sent := frame(fin|rsv1|opBinary, bomb())
		synctest.Test(t, func(t *testing.T) {
			client, server := connectRaw(t, websocket.Options{})
			client.send(sent[:50_000]) // all that memnet holds, roughly
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := server.Read()
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, transport.ErrProtocol)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
		})
	})
}

// What is odd but no offence.
func TestAcceptedFraming(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, c := range []struct {
		name string
		sent []byte
		want []string
	}{
		{"B10 length in two bytes", append([]byte{fin | opText, maskBit | 126, 0, 2}, masked("{}")...), []string{"{}"}},
		{"B10 length in eight bytes", append([]byte{fin | opText, maskBit | 127, 0, 0, 0, 0, 0, 0, 0, 2}, masked("{}")...), []string{"{}"}},
		{"B11 fragments of one byte up to the limit", append(append(frame(opBinary, "x"), bytes.Repeat(frame(opContinuation, "x"), 998)...), frame(fin|opContinuation, "x")...), []string{long}},
		{"B15 pongs that nobody asked for", append(bytes.Repeat(frame(fin|opPong, "what?"), 3), frame(fin|opText, "{}")...), []string{"{}"}},
		{"B15 pong between fragments", append(append(frame(opText, "{"), frame(fin|opPong, "")...), frame(fin|opContinuation, "}")...), []string{"{}"}},
		{"B16 text form in a binary message", frame(fin|opBinary, "{}"), []string{"{}"}},
		{"B16 binary form in a text message", frame(fin|opText, "\x01\x02"), []string{"\x01\x02"}},
		{"D1 empty messages", append(frame(fin|opText, ""), frame(fin|opBinary, "")...), []string{"", ""}},
		{"D4 character across fragments", append(frame(opText, "{\xe4"), frame(fin|opContinuation, "\xb8\x96}")...), []string{"{世}"}},
		{"D9 message of exactly the limit", frame(fin|opBinary, long), []string{long}},
		{"D12 not UTF-8 in a binary message", frame(fin|opBinary, "\xff\x00\xef\xbb\xbf"), []string{"\xff\x00\xef\xbb\xbf"}},
		{"B17 several messages at once", append(frame(fin|opText, "{1}"), frame(fin|opText, "{2}")...), []string{"{1}", "{2}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: 1000}})
				client.send(c.sent)
				for _, want := range c.want {
					got, err := server.Read()
					require.NoError(t, err)
					require.Equal(t, want, string(got))
				}
				client.send(frame(fin|opClose, closePayload(1000, "")))
				_, err := server.Read()
				requireClosed(t, err, 1000, "")
			})
		})
	}
}

func TestFrameSplitAnywhere(t *testing.T) {
	t.Run("B17 split at every byte", testFrameSplitAnywhere)
}

func testFrameSplitAnywhere(t *testing.T) {
	sent := bytes.Join([][]byte{
		frame(opText, "{\"text\":\"世"),
		frame(fin|opPing, "ping"),
		frame(fin|opContinuation, "界\"}"),
		frame(fin|opBinary, strings.Repeat("x", 200)),
		frame(fin|opClose, closePayload(4005, "bye")),
	}, nil)
	for at := 1; at < len(sent); at++ {
		synctest.Test(t, func(t *testing.T) {
			client, server := connectRaw(t, websocket.Options{})
			go func() {
				client.Write(sent[:at])
				synctest.Wait() // the reader has read that much
				client.Write(sent[at:])
			}()
			got, err := server.Read()
			require.NoError(t, err)
			require.Equal(t, `{"text":"世界"}`, string(got))
			got, err = server.Read()
			require.NoError(t, err)
			require.Equal(t, strings.Repeat("x", 200), string(got))
			_, err = server.Read()
			requireClosed(t, err, transport.Left, "bye")
			client.expect(fin|opPong, "ping")
			client.expectClose(4005)
		})
	}
}

// Rows B6 to B8: the codes and reasons that do reach the reader.
func TestPeerCloses(t *testing.T) {
	reason := strings.Repeat("é", 61) + "x" // of 123 bytes
	for _, c := range []struct {
		name    string
		payload string
		code    transport.CloseCode
		text    string
		echo    string
	}{
		{"no code", "", 1005, "", ""},
		{"B6 half a code", "\x03", 1005, "", ""}, // an offence, and not told apart from no code
		{"normal", closePayload(1000, ""), 1000, "", closePayload(1000, "")},
		{"going away", closePayload(1001, "tab closed"), 1001, "tab closed", closePayload(1001, "")},
		{"last of the protocol's own", closePayload(1014, "bad gateway"), 1014, "bad gateway", closePayload(1014, "")},
		{"B7 registered", closePayload(3999, ""), 3999, "", closePayload(3999, "")},
		{"B7 last", closePayload(4999, ""), 4999, "", closePayload(4999, "")},
		{"B8 longest reason", closePayload(4101, reason), transport.Slow, reason, closePayload(4101, "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := connectRaw(t, websocket.Options{})
				client.send(frame(fin|opClose, c.payload))
				_, err := server.Read()
				requireClosed(t, err, c.code, c.text)
				client.expect(fin|opClose, c.echo)
				require.Error(t, server.Write([]byte("{}")), "nothing may follow the close frame")

				start := time.Now()
				require.NoError(t, server.Close(goodbye))
				require.Zero(t, time.Since(start), "the peer has closed, so there is nothing to wait for")
				client.expectEnd()
			})
		})
	}
}

// Nothing is allocated for what is only announced.
func TestAnnouncedSizes(t *testing.T) {
	t.Run("B9 D3 half a gigabyte", testAnnouncedSizes)
}

func testAnnouncedSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := connectRaw(t, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: 1 << 30}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		client.send(header(fin|opBinary, maskBit, 1<<29), []byte{1, 2, 3, 4}, []byte("ten bytes."))
		go func() {
			synctest.Wait()
			client.CloseWrite()
		}()
		_, err := server.Read()
		require.Error(t, err)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	})
}

// A message goes as text where it may.
func TestMessageTypes(t *testing.T) {
	for _, c := range []struct {
		name    string
		message string
		first   byte
	}{
		{"text form", `{"type":"ping"}`, fin | opText},
		{"text form beyond ASCII", `{"text":"世界"}`, fin | opText},
		{"binary form", "\x0b\x00", fin | opBinary},
		{"array", "[]", fin | opBinary},
		{"empty", "", fin | opBinary},
		{"not UTF-8", "{\xff}", fin | opBinary},
		{"two bytes of length", "{" + strings.Repeat("x", 125), fin | opText},
		{"the most that two bytes tell", strings.Repeat("x", 65535), fin | opBinary},
		{"eight bytes of length", strings.Repeat("x", 65536), fin | opBinary},
		{"more than a batch", strings.Repeat("0123456789", 50_000), fin | opBinary},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := connectRaw(t, websocket.Options{})
				go server.Write([]byte(c.message), []byte("next"))
				client.expect(c.first, c.message)
				client.expect(fin|opBinary, "next")
			})
		})
	}
}
