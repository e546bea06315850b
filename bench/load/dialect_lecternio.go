//go:build linux

package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// LecternIO is the protocol of socket.io as its clients speak it with Lectern: who enters says
// so as the socket is connected, and everything else is an event.
type LecternIO struct{ buf []byte }

// ioMessage and ioRefused begin what the server sends.
const (
	ioMessage = `42["message",`
	ioRefused = `42["refused",`
)

// Target asks for WebSocket alone.
func (l *LecternIO) Target(int) string { return "/socket.io/?EIO=4&transport=websocket" }

// Enter connects the socket.
func (l *LecternIO) Enter(number int) []byte {
	role := "slave"
	if number < 0 {
		role = "master"
	}
	l.buf = fmt.Appendf(l.buf[:0], `%s{"channel":%q,"username":%q,"role":%q}`, ioConnect, channel, username(number), role)
	return l.buf
}

// Along is not.
func (l *LecternIO) Along() bool { return false }

func (l *LecternIO) emit(ref int, payload []byte, options string) []byte {
	l.buf = append(l.buf[:0], ioEvent...)
	if ref > 0 {
		l.buf = strconv.AppendInt(l.buf, int64(ref), 10)
	}
	l.buf = append(append(append(l.buf, `["message","`...), payload...), '"')
	return append(append(l.buf, options...), ']')
}

// ToAll is the event message.
func (l *LecternIO) ToAll(ref int, payload []byte) []byte { return l.emit(ref, payload, "") }

// ToOne is the same with an option.
func (l *LecternIO) ToOne(ref, member int, payload []byte) []byte {
	return l.emit(ref, payload, `,{"to":"`+username(member)+`"}`)
}

// ToMaster is the event message: whose it is decides.
func (l *LecternIO) ToMaster(ref, _ int, payload []byte) []byte { return l.emit(ref, payload, "") }

// Read goes by the beginning.
func (l *LecternIO) Read(message []byte) Heard {
	switch {
	case bytes.HasPrefix(message, []byte(ioMessage)):
		return Heard{Messages: 1}
	case bytes.HasPrefix(message, []byte(ioConnect)):
		return Heard{Entered: true}
	case bytes.HasPrefix(message, []byte(ioError)), bytes.HasPrefix(message, []byte(ioRefused)):
		return Heard{Refusal: string(message)}
	case string(message) == ioPing:
		return Heard{Answer: []byte(ioPong)}
	}
	return Heard{}
}
