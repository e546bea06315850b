package client

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the door of a master's channel, and who waits there.

// Knock is one who waits at the door of a master, or does not any more.
type Knock struct {
	Number     uint64
	Username   string
	Attributes map[string]wire.Payload
	Over       bool
}

// door is what a master knows of its door. It is nil where the door was always open.
type door struct {
	mode wire.Door
	// knocks are those who wait, in the order of their numbers.
	knocks []Knock
}

func (m *Membership) needDoor() *door {
	if m.door == nil {
		m.door = &door{mode: wire.DoorOpen}
	}
	return m.door
}

// listedDoor takes what a created says of the door. Who is not in it does not wait any more. The
// lock is held.
func (m *Membership) listedDoor(frame *wire.Frame) {
	e := frame.Entering()
	if m.door == nil && e.Door == 0 && e.Knocks == nil {
		return
	}
	d := m.needDoor()
	d.mode = cmp.Or(e.Door, wire.DoorOpen)
	var listed []Knock
	if e.Knocks != nil {
		for _, k := range *e.Knocks {
			listed = append(listed, knockOf(k.Number, k.Username, k.Attributes))
		}
	}
	for _, k := range slices.Clone(d.knocks) {
		if !slices.ContainsFunc(listed, k.is) {
			m.knockOver(k.Number)
		}
	}
	for _, k := range listed {
		m.addKnock(k)
	}
}

func knockOf(number uint64, username string, attributes *wire.Attributes) Knock {
	k := Knock{Number: number, Username: username}
	if attributes != nil {
		k.Attributes = make(map[string]wire.Payload, len(*attributes))
		for _, a := range *attributes {
			// What is decoded is in the connection's read buffer.
			k.Attributes[a.Key] = wire.Payload{Kind: a.Value.Kind, Data: bytes.Clone(a.Value.Data)}
		}
	}
	return k
}

func (k *Knock) is(other Knock) bool { return k.Number == other.Number }

// bytes is about how much memory the knock takes beside the rest of an event.
func (k *Knock) bytes() (n int) {
	for key, value := range k.Attributes {
		n += len(key) + len(value.Data) + eventOverhead
	}
	return n
}

// onKnock handles a knock. The lock is held.
func (m *Membership) onKnock(frame *wire.Frame) {
	switch {
	case m.role != wire.Master:
	case frame.Muted:
		m.addKnock(knockOf(frame.Number, frame.Username, frame.Attributes()))
	default:
		m.knockOver(frame.Number)
	}
}

func (m *Membership) addKnock(k Knock) {
	d := m.needDoor()
	if slices.ContainsFunc(d.knocks, k.is) || len(d.knocks) >= wire.MaxKnocks {
		return // no hub has more wait
	}
	d.knocks = append(d.knocks, k)
	m.inbox.knock(k)
}

func (m *Membership) knockOver(number uint64) {
	if m.door == nil {
		return
	}
	i := slices.IndexFunc(m.door.knocks, func(k Knock) bool { return k.Number == number })
	if i < 0 {
		return
	}
	over := m.door.knocks[i]
	m.door.knocks = slices.Delete(m.door.knocks, i, i+1)
	over.Over = true
	m.inbox.knock(over)
}

// Door is what becomes of who joins, as far as it is known.
func (m *Membership) Door() wire.Door {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.door == nil {
		return wire.DoorOpen
	}
	return m.door.mode
}

// Knocks are those who wait at the door, in the order in which they have knocked. Nobody waits
// any more where the membership has ended.
func (m *Membership) Knocks() []Knock {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.door == nil || m.err != nil {
		return nil
	}
	return slices.Clone(m.door.knocks)
}

// SetDoor says what becomes of who joins. A word that is no door is refused.
func (m *Membership) SetDoor(ctx context.Context, word string) error {
	frame, err := withDoor(wire.Frame{Type: wire.SetDoor}, word)
	if err != nil {
		return m.client.public(err)
	}
	mode := frame.Entering().Door
	_, doErr := m.do(ctx, &request{frame: frame, settle: func(_ *request, answer wire.Frame) wire.Frame {
		if answer.Type == wire.Ack {
			m.needDoor().mode = mode
		}
		return answer
	}})
	return doErr
}

// WithDoor makes a create ask for a door. A *wire.Cause says that the word is none.
func WithDoor(f *wire.Frame, word string) error {
	frame, err := withDoor(*f, word)
	if err != nil {
		return err
	}
	*f = frame
	return nil
}

func withDoor(f wire.Frame, word string) (wire.Frame, *wire.Cause) {
	mode := wire.DoorOf(word)
	if mode == 0 {
		return f, wire.ErrBadFrame.With("door: " + wire.Quote(word) + " is none of open, knock and locked")
	}
	f.NeedEntering().Door = mode
	return f, nil
}

// Judge lets somebody in who has knocked, or does not, as the frame says.
func (m *Membership) Judge(ctx context.Context, frame wire.Frame) error {
	if frame.Number == 0 {
		return m.client.public(wire.ErrNoSuchSlave.With("knock: no knock has the number 0"))
	}
	_, err := m.do(ctx, &request{frame: frame, settle: settleKick})
	return err
}
