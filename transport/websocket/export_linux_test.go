package websocket

import (
	"errors"
	"net/http"
)

// WithoutEpoll has the handler find that the system has none to give.
func WithoutEpoll(h http.Handler) http.Handler {
	h.(*handler).poller.open = func() (*epoll, error) { return nil, errors.New("no epoll") }
	return h
}

// Polled is how many connections the handler's poller has, and whether it has an
// epoll.
func Polled(h http.Handler) (connections int, running bool) {
	p := h.(*handler).poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.epoll == nil {
		return 0, false
	}
	return p.epoll.used, true
}
