package socketio

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// FuzzPacket: a packet that can be read says the same when it is written from what was read.
func FuzzPacket(f *testing.F) {
	for _, text := range []string{
		`0{"channel":"c"}`, `1`, `2["message",1]`, `212["message",{"a":1}]`, `313[1]`, `0/other,{}`, `2/other,5["x"]`,
		`51-["message",{"_placeholder":true,"num":0}]`, `61-3[{"_placeholder":true,"num":0}]`, `4{"message":"x"}`, `2/?a=b,["x"]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePacket(bytes.Clone(text))
		if err != nil {
			require.ErrorIs(t, err, transport.ErrProtocol)
			return
		}
		require.LessOrEqual(t, p.attachments, maxAttachments)
		require.LessOrEqual(t, p.id, uint64(maxID))
		if bytes.HasPrefix(p.data, []byte{'/'}) {
			return // not JSON, and read as a namespace where it comes without one
		}
		again := []byte{p.kind}
		if p.kind == packetBinaryEvent || p.kind == packetBinaryAck {
			again = append(strconv.AppendInt(again, int64(p.attachments), 10), '-')
		}
		if len(p.namespace) > 0 {
			again = append(append(again, p.namespace...), ',')
		}
		if p.hasID {
			again = strconv.AppendUint(again, p.id, 10)
		}
		again = append(again, p.data...)
		second, err := parsePacket(again)
		require.NoError(t, err, "%q", again)
		require.Equal(t, string(p.data), string(second.data))
		p.data, second.data = nil, nil
		require.Equal(t, p, second)
	})
}

// decoding is a hub that takes frames as a hub does.
type decoding struct {
	t     *testing.T
	conn  transport.Conn
	count int
}

func (d *decoding) Receive(message []byte) error {
	frame, err := wire.Decode(message)
	require.NoError(d.t, err, "%q", message)
	d.count++
	answer := wire.Frame{Type: wire.Ack, Ref: frame.Ref, Seq: uint64(d.count)}
	switch frame.Type {
	case wire.Join, wire.Create, wire.Resume:
		answer = wire.Frame{Type: wire.Created, Ref: frame.Ref, Channel: frame.Channel, Username: frame.Username, Secret: "s", Epoch: 1}
	case wire.Ping:
		answer = wire.Frame{Type: wire.Pong, Ref: frame.Ref}
	}
	if answer.Type != wire.Ack || answer.Ref != 0 {
		messages := [][]byte{wire.Append(nil, wire.Binary, &answer)}
		if !d.conn.(transport.TryWriter).TryWrite(messages...) {
			return d.conn.Write(messages...)
		}
	}
	return nil
}

func (d *decoding) Pause()              {}
func (d *decoding) End(err error) error { return d.conn.Close(transport.Reason{Code: transport.Idle}) }

type decodingHub struct {
	*fakeHub
	t *testing.T
}

func (h decodingHub) Accept(_ context.Context, conn transport.Conn) (transport.Receiver, error) {
	return &decoding{t: h.t, conn: conn}, nil
}

// A sink is a session that takes what is written, and looks at it.
type sink struct {
	session // nil: what is not here is not called
	look    func(packet []byte)
	todo    []func() error
}

func (s *sink) ID() string              { return "ABCDEFGHIJKLMNOPQRST" }
func (s *sink) Version() int            { return 4 }
func (s *sink) MaxFrameBytes() int      { return 1 << 20 }
func (s *sink) GoInTurn(f func() error) { s.todo = append(s.todo, f) }

func (s *sink) TryWrite(packets ...[]byte) bool {
	for _, packet := range packets {
		s.look(packet)
	}
	return true
}

func (s *sink) Close(_ transport.Reason, last ...[]byte) error {
	s.TryWrite(last...)
	return nil
}

// FuzzFrames: whatever packets a client sends, what the hub is given are frames, and what the
// client is sent are packets. The packets are separated by line feeds; # begins a binary one.
func FuzzFrames(f *testing.F) {
	for _, packets := range []string{
		"0{\"channel\":\"c\",\"username\":\"bob\"}\n2[\"message\",1]\n25[\"request\",\"x\",{\"to\":\"y\"}]",
		"0\n27[\"channel\",\"d\"]\n28[\"gather\",{},{\"timeout\":1}]\n21[\"kick\",\"x\"]\n2[\"nope\"]",
		"0{\"channel\":\"c\",\"role\":\"master\"}\n51-[\"message\",{\"_placeholder\":true,\"num\":0}]\n#abc",
		"0\n2[\"set\",\"k\",{\"a\":1},{\"channel\":\"c\"}]\n2[\"door\",\"knock\"]\n35[1]\n0/x,",
		"0{\"pid\":\"x\",\"offset\":\"1@c\",\"session\":\"0123456789abcdef\"}\n2[\"decline\",5,{\"code\":\"no\"}]",
	} {
		f.Add([]byte(packets), "&channel=q")
		f.Add([]byte(packets), "")
	}
	f.Fuzz(func(t *testing.T, packets []byte, query string) {
		a := newAdapter(decodingHub{newFakeHub(), t}, Options{})
		s := &sink{look: func(packet []byte) {
			if packet[0] != websocket.TextMessage {
				return
			}
			p, err := parsePacket(packet[2:])
			require.NoError(t, err, "%q", packet)
			if len(p.data) > 0 {
				require.True(t, wire.ValidData(p.data), "%q", packet)
			}
		}}
		receiver, err := a.accept(t.Context(), s, strings.ToValidUTF8(query, ""))
		require.NoError(t, err)
		_ = receiver.Start()
		for packet := range bytes.SplitSeq(packets, []byte{'\n'}) {
			content, binary := bytes.CutPrefix(packet, []byte{'#'})
			content = bytes.ToValidUTF8(content, nil)
			if err := receiver.Receive(bytes.Clone(content), !binary); err != nil {
				var closed *transport.CloseError
				require.True(t, errors.Is(err, transport.ErrProtocol) || errors.Is(err, transport.ErrMessageTooLarge) ||
					errors.Is(err, transport.ErrFlood) || errors.As(err, &closed), err)
				break
			}
			for len(s.todo) > 0 {
				f := s.todo[0]
				s.todo = s.todo[1:]
				if f() != nil {
					break
				}
			}
		}
		require.NoError(t, receiver.End(transport.ErrSilent))
	})
}
