package transport

import "time"

// MinBytesPerSecond is the pace, in bytes a second, at which a peer is never too slow:
// the floor of [ConnOptions].MessageTimeout, and of the times that a server gives its
// peers to take what it writes.
const MinBytesPerSecond = 1000

// A MessageTimer tells when a message that is arriving is late, by the rule of
// [ConnOptions].MessageTimeout: the time runs from the first wait for more of the
// message, and each MinBytesPerSecond bytes of it that come put the end off by
// a second, but never to more than the timeout from then.
//
// The zero value is that of no message. It takes the time as an argument, and is not safe
// for concurrent use.
type MessageTimer struct {
	late time.Time // zero before the first wait
	came int       // bytes that have put nothing off yet
	last bool      // LastLook was called
}

// Came is told how many bytes of the message have come.
func (t *MessageTimer) Came(bytes int) { t.came += bytes }

// Wait is called before more of the message is waited for, and returns when the
// message is late. Where the timeout is not positive that is never, which is zero.
func (t *MessageTimer) Wait(now time.Time, timeout time.Duration) (late time.Time) {
	if timeout <= 0 {
		return time.Time{}
	}
	if most := now.Add(timeout); t.late.IsZero() {
		t.late, t.came = most, 0
	} else {
		if seconds := t.came / MinBytesPerSecond; seconds > 0 {
			t.came %= MinBytesPerSecond
			t.late, t.last = t.late.Add(time.Duration(seconds)*time.Second), false
		}
		if !t.late.Before(most) {
			t.late, t.came = most, 0
		}
	}
	return t.late
}

// LastLook gives a message that is late until then, in case the rest of it lies in the
// system's buffers and only this side was late. It reports false where that has been done
// before: a peer whose bytes come one by one does not live on it.
func (t *MessageTimer) LastLook(until time.Time) bool {
	if t.last {
		return false
	}
	t.last = true
	if t.late.Before(until) {
		t.late = until
	}
	return true
}

// Looked reports whether LastLook was called, and nothing has put the end off since.
func (t *MessageTimer) Looked() bool { return t.last }
