package websocket

import "net/http"

// WithoutEpoll has the handler find that the system has none to give.
func WithoutEpoll(h http.Handler) http.Handler {
	h.(*handler).upgrader.StarvePoller()
	return h
}

// Polled is how many connections the handler's poller has, and whether it has an
// epoll.
func Polled(h http.Handler) (connections int, running bool) { return h.(*handler).upgrader.Polled() }
