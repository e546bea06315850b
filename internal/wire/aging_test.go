package wire

import (
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func expiring(end time.Time, ms uint64) *Packet {
	frame := &Frame{Type: Message, Channel: "abc123", From: "alice", Seq: 7, Payload: Payload{Kind: TextPayload, Data: []byte("go")}}
	frame.SetTopic("drive")
	frame.SetExpires(ms)
	return NewExpiringPacket(frame, end)
}

// A packet says what is left when it is asked, in whole milliseconds that are rounded up, and
// nothing from its end on. What it is asked for again in the same millisecond is not made again.
func TestAPacketThatExpires(t *testing.T) {
	began := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, form := range []Form{Binary, Text} {
		p := expiring(began.Add(2*time.Second), 2000)
		require.True(t, p.Expires())
		require.Equal(t, began.Add(2*time.Second), p.End())
		left := func(data []byte) uint64 {
			frame, err := Decode(data)
			require.NoError(t, err)
			require.Equal(t, "drive", frame.Topic())
			require.EqualValues(t, 7, frame.Seq)
			return frame.Expires()
		}
		require.EqualValues(t, 2000, left(p.Bytes(form)))
		for _, test := range []struct {
			at   time.Duration
			left uint64
		}{
			{0, 2000}, {1, 2000}, {time.Millisecond - 1, 2000}, {time.Millisecond, 1999}, {time.Second, 1000},
			{2*time.Second - time.Millisecond, 1}, {2*time.Second - 1, 1}, {time.Second, 1000}, {-time.Minute, 62_000}, {-48 * time.Hour, MaxExpires},
		} {
			require.Equal(t, test.left, left(p.At(began.Add(test.at), form)), test.at)
		}
		for _, at := range []time.Duration{2 * time.Second, 2*time.Second + 1, time.Hour} {
			require.Nil(t, p.At(began.Add(at), form), at)
		}
		again := p.At(began.Add(time.Second), form)
		require.Same(t, unsafe.SliceData(again), unsafe.SliceData(p.At(began.Add(time.Second+time.Millisecond-1), form)))
		require.Equal(t, again, p.Bytes(form))
	}
	p := NewPacket(&Frame{Type: Message, Payload: Payload{Kind: TextPayload}})
	require.False(t, p.Expires())
	require.Zero(t, p.End())
}

// The writers of all receivers ask at once.
func TestManyAskAPacketAtOnce(t *testing.T) {
	p := expiring(time.Now().Add(time.Hour), 3_600_000)
	p.Bytes(Binary)
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for range 200 {
				require.NotNil(t, p.At(time.Now(), Form(i%2)))
			}
		})
	}
	asking.Wait()
}

// What few messages have takes no memory of the others: each has one of these as long as it is
// kept, and the next larger size that there is has 480 bytes.
func TestAMessageTakesAsMuchAsBefore(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return
	}
	require.LessOrEqual(t, unsafe.Sizeof(struct {
		Packet
		Frame
	}{}), uintptr(448))
	require.LessOrEqual(t, unsafe.Sizeof(Packet{}), uintptr(64))
}
