package stage

import (
	"bytes"
	"sync"
)

// LockedBuffer is a buffer for the lines of a Logger. Write and Text are safe for
// concurrent use.
type LockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write appends to the text.
func (b *LockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// Text returns what was written so far.
func (b *LockedBuffer) Text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}
