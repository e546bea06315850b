//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// What the dialects of Lectern need of PROTOCOL.md, section 12.
const (
	typeCreate  = 0x01
	typeJoin    = 0x02
	typeSend    = 0x04
	typePing    = 0x0b
	typeCreated = 0x11
	typeJoined  = 0x12
	typeMessage = 0x13
	typeError   = 0x1a

	tagRef      = 0x01
	tagChannel  = 0x02
	tagUsername = 0x03
	tagTo       = 0x09
	tagFrom     = 0x08
	tagSeq      = 0x0b
	tagInstance = 0x1f
	tagSeen     = 0x20
	tagText     = 0x7d
)

// confirmEvery is after how many messages the master tells that it has got them: half of
// what the hub keeps by default, as the hub tells its own clients.
const confirmEvery = 128

const channel = "lesson"

// Lectern is the binary form.
type Lectern struct {
	// Apart: members join once they are connected, as clients do that do not send
	// their first message along.
	Apart bool
	buf   []byte
	// unconfirmed is how many messages the master has got since it has confirmed.
	unconfirmed int
}

func username(number int) string {
	if number < 0 {
		return "teacher"
	}
	return "pupil" + strconv.Itoa(number)
}

func appendField[S string | []byte](frame []byte, tag byte, content S) []byte {
	return append(binary.AppendUvarint(append(frame, tag), uint64(len(content))), content...)
}

func appendRef(frame []byte, ref int) []byte {
	if ref == 0 {
		return frame
	}
	var number [binary.MaxVarintLen64]byte
	return appendField(frame, tagRef, number[:binary.PutUvarint(number[:], uint64(ref))])
}

// Target is the same for all.
func (l *Lectern) Target(int) string { return "/" }

// Enter creates the channel or joins it.
func (l *Lectern) Enter(number int) []byte {
	kind := byte(typeJoin)
	if number < 0 {
		kind = typeCreate
	}
	l.buf = appendField(appendRef(append(l.buf[:0], kind), 1), tagChannel, channel)
	l.buf = appendField(l.buf, tagUsername, username(number))
	l.buf = appendField(l.buf, tagInstance, fmt.Sprintf("%022d", number))
	return l.buf
}

// confirm is a ping by which the master tells what it has got.
func (l *Lectern) confirm(seen []byte) []byte {
	l.unconfirmed = 0
	l.buf = appendField(append(l.buf[:0], typePing), tagChannel, channel)
	l.buf = appendField(l.buf, tagSeen, seen)
	return l.buf
}

// toMaster returns the number of a message to the master, as it is written, and nil for a
// message to a member.
func toMaster(message []byte) []byte {
	from := message[3+len(channel):] // behind the type, and the tag and the length of the channel
	if from[0] != tagFrom || from[2] != username(0)[0] {
		return nil
	}
	seq := from[2+from[1]:]
	return seq[2 : 2+seq[1]]
}

// Along is as Lectern's own clients do.
func (l *Lectern) Along() bool { return !l.Apart }

// ToAll is a send.
func (l *Lectern) ToAll(ref int, payload []byte) []byte {
	l.buf = appendField(appendRef(append(l.buf[:0], typeSend), ref), tagChannel, channel)
	l.buf = appendField(l.buf, tagText, payload)
	return l.buf
}

// ToOne is a send with an address.
func (l *Lectern) ToOne(ref, member int, payload []byte) []byte {
	l.buf = appendField(appendRef(append(l.buf[:0], typeSend), ref), tagChannel, channel)
	l.buf = appendField(l.buf, tagTo, username(member))
	l.buf = appendField(l.buf, tagText, payload)
	return l.buf
}

// ToMaster is a send: whose it is decides.
func (l *Lectern) ToMaster(ref, _ int, payload []byte) []byte { return l.ToAll(ref, payload) }

// Read goes by the type.
func (l *Lectern) Read(message []byte) Heard {
	switch message[0] {
	case typeMessage:
		heard := Heard{Messages: 1}
		if seen := toMaster(message); seen != nil {
			if l.unconfirmed++; l.unconfirmed == confirmEvery {
				heard.Answer = l.confirm(seen)
			}
		}
		return heard
	case typeCreated:
		return Heard{Entered: true, Answer: l.confirm([]byte{0})}
	case typeJoined:
		return Heard{Entered: true}
	case typeError:
		return Heard{Refusal: fmt.Sprintf("%q", message)}
	}
	return Heard{}
}

// LecternText is the text form.
type LecternText struct{ buf []byte }

// Target is the same for all.
func (l *LecternText) Target(int) string { return "/" }

// Enter creates the channel or joins it.
func (l *LecternText) Enter(number int) []byte {
	kind := "join"
	if number < 0 {
		kind = "create"
	}
	return fmt.Appendf(l.buf[:0], `{"type":%q,"ref":1,"channel":%q,"username":%q}`, kind, channel, username(number))
}

// Along is as the binary form's.
func (l *LecternText) Along() bool { return true }

func (l *LecternText) send(ref int, to string, payload []byte) []byte {
	l.buf = append(l.buf[:0], `{"type":"send"`...)
	if ref > 0 {
		l.buf = strconv.AppendInt(append(l.buf, `,"ref":`...), int64(ref), 10)
	}
	l.buf = append(append(append(l.buf, `,"channel":"`...), channel...), '"')
	if to != "" {
		l.buf = append(append(append(l.buf, `,"to":"`...), to...), '"')
	}
	return append(append(append(l.buf, `,"text":"`...), payload...), `"}`...)
}

// ToAll is a send.
func (l *LecternText) ToAll(ref int, payload []byte) []byte { return l.send(ref, "", payload) }

// ToOne is a send with an address.
func (l *LecternText) ToOne(ref, member int, payload []byte) []byte {
	return l.send(ref, username(member), payload)
}

// ToMaster is a send: whose it is decides.
func (l *LecternText) ToMaster(ref, _ int, payload []byte) []byte { return l.send(ref, "", payload) }

// Read goes by the type, which the hub writes first.
func (l *LecternText) Read(message []byte) Heard {
	const start = `{"type":"`
	if len(message) < len(start)+3 {
		return Heard{Refusal: fmt.Sprintf("%q", message)}
	}
	switch string(message[len(start) : len(start)+3]) {
	case "mes":
		return Heard{Messages: 1}
	case "cre", "joi":
		return Heard{Entered: true}
	case "err":
		return Heard{Refusal: string(message)}
	}
	return Heard{}
}
