package socketio

import (
	"strconv"
	"strings"
)

// An offset is what Socket.IO's recovery hands back: up to which number a client has got what
// was for it, in each of its channels: number, '@' and name, separated by line feeds, which no
// name has.

// offset is that of a socket with one channel.
func offset(channel string, seq uint64) string {
	return strconv.FormatUint(seq, 10) + "@" + channel
}

// offsets is that of a socket. The lock is held.
func (s *state) offsets() string {
	var all strings.Builder
	for i := range s.seats {
		if i > 0 {
			all.WriteByte('\n')
		}
		all.WriteString(offset(s.seats[i].channel, s.seats[i].last))
	}
	return all.String()
}

// lastIn is the number in the offset for the channel, zero where there is none.
func lastIn(offset, channel string) uint64 {
	for part := range strings.SplitSeq(offset, "\n") {
		digits, name, ok := strings.Cut(part, "@")
		if seq, isNumber := number([]byte(digits)); ok && isNumber && name == channel {
			return seq
		}
	}
	return 0
}
