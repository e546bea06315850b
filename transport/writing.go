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

// LastWriter is an optional power of a [Conn]: the end of the connection can go
// along with the last messages.
type LastWriter interface {
	// WriteLast is Write, and then Close with the reason, in fewer system calls.
	// The error is that of the writing. Close may be called meanwhile, and
	// unblocks the writing.
	WriteLast(reason Reason, messages ...[]byte) error
}
