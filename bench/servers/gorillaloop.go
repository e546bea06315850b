package servers

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// writeWait is how long gorilla's chat example lets a write take.
const writeWait = 10 * time.Second

// gorillaConn writes are one at a time, which the library demands.
type gorillaConn struct {
	*websocket.Conn
	mu sync.Mutex
}

func (c *gorillaConn) write(message []byte) {
	c.mu.Lock()
	_ = c.SetWriteDeadline(time.Now().Add(writeWait))
	_ = c.WriteMessage(websocket.BinaryMessage, message)
	c.mu.Unlock()
}

func (c *gorillaConn) writePrepared(message *websocket.PreparedMessage) {
	c.mu.Lock()
	_ = c.SetWriteDeadline(time.Now().Add(writeWait))
	_ = c.WritePreparedMessage(message)
	c.mu.Unlock()
}

// newGorillaLoop is gorilla/websocket with the plainest loop there is: who reads
// a message writes it to whom it is for, one after the other, as a frame that is
// prepared once.
func newGorillaLoop() (Server, error) {
	var s star[*gorillaConn]
	var upgrader websocket.Upgrader
	return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		conn, number := &gorillaConn{Conn: ws}, role(r.URL.Path)
		s.enter(number, conn)
		defer s.leave(number)
		for {
			_, message, err := ws.ReadMessage()
			if err != nil {
				return
			}
			s.mu.RLock()
			switch {
			case string(message) == Join:
				conn.write(message)
			case number >= 0:
				s.master.write(message)
			case message[0] == ToOne:
				s.members[recipient(message)].write(message)
			default:
				prepared, _ := websocket.NewPreparedMessage(websocket.BinaryMessage, message)
				for _, member := range s.members {
					if member != nil {
						member.writePrepared(prepared)
					}
				}
			}
			s.mu.RUnlock()
		}
	}), s.count, nil)
}
