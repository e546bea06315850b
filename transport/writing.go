package transport

// TryWriter is an optional power of a [Conn]: it can write without waiting for
// its peer. Who has something for many peers can then write to all of them by
// itself, and needs a goroutine only for those that do not keep up.
type TryWriter interface {
	// TryWrite is Write as far as it goes without waiting. It reports whether all
	// of the messages are on their way. It may always report false, and does so
	// where the connection has ended.
	//
	// Where it has reported false, the next call must be one of Write, or of
	// WriteLast, with the same messages, which have not changed meanwhile: that
	// goes on where TryWrite has stopped, and returns the error if there is one.
	// Until then what else the transport has to write may have to wait.
	TryWrite(messages ...[]byte) bool
}

// WriteMeter is an optional power of a [Conn]: it tells how far the Write in progress is.
// So a peer that takes what is written slowly, but takes it, is told from one that has
// stopped.
type WriteMeter interface {
	// Taken returns how many bytes the peer has taken in all, as far as the transport can
	// tell: what the peer's system has acknowledged, or else what this side's own
	// buffers have found room for. Until Close it never falls. It rises while a Write makes way, from
	// a few thousand bytes to the next, and not while the peer takes nothing.
	// Only the difference between two calls means something: what does not wait for
	// the peer need not count, nor do all messages count alike.
	//
	// It may be called from any goroutine, at any time, and does not wait. It is for
	// writes that take long: it may make system calls.
	Taken() uint64
}

// LastWriter is an optional power of a [Conn]: the end of the connection can go
// along with the last messages.
type LastWriter interface {
	// WriteLast is Write, and then Close with the reason, in fewer system calls.
	// The error is that of the writing. Close may be called meanwhile, and
	// unblocks the writing.
	WriteLast(reason Reason, messages ...[]byte) error
}
