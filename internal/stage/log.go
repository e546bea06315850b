package stage

import (
	"bytes"
	"sync"
)

// LockedBuffer takes what a Logger writes, from any goroutine.
type LockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write adds to the text.
func (b *LockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// Text is what was written so far.
func (b *LockedBuffer) Text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}
