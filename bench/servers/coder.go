package servers

import (
	"context"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// coderWait is how long coder's chat example lets a write take.
const coderWait = 5 * time.Second

// newCoder is coder/websocket: who reads a message writes it to whom it is for.
func newCoder() (Server, error) {
	var s star[*websocket.Conn]
	return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		number := role(r.URL.Path)
		s.enter(number, conn)
		defer s.leave(number)
		for {
			_, message, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			s.mu.RLock()
			ctx, cancel := context.WithTimeout(context.Background(), coderWait)
			switch {
			case number >= 0:
				_ = s.master.Write(ctx, websocket.MessageBinary, message)
			case message[0] == ToOne:
				_ = s.members[recipient(message)].Write(ctx, websocket.MessageBinary, message)
			default:
				for _, member := range s.members {
					if member != nil {
						_ = member.Write(ctx, websocket.MessageBinary, message)
					}
				}
			}
			cancel()
			s.mu.RUnlock()
		}
	}), s.count, nil)
}
