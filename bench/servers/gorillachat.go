package servers

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// The settings of gorilla's chat example; writeWait is one more.
const (
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	maxMessage = 512
	sendBuffer = 256
)

// chatHub is the hub of gorilla's chat example: one goroutine that has the
// clients, and two for each client. The example's messages all go to all; here
// they have a recipient.
type chatHub struct {
	star       *star[*chatClient]
	clients    map[*chatClient]bool
	messages   chan chatMessage
	register   chan *chatClient
	unregister chan *chatClient
	stop       chan struct{}
}

type chatClient struct {
	hub    *chatHub
	number int
	conn   *websocket.Conn
	send   chan []byte
}

type chatMessage struct {
	from    *chatClient
	message []byte
}

func newGorillaChat() (Server, error) {
	h := &chatHub{
		star: new(star[*chatClient]), clients: make(map[*chatClient]bool), messages: make(chan chatMessage),
		register: make(chan *chatClient), unregister: make(chan *chatClient), stop: make(chan struct{}),
	}
	go h.run()
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		c := &chatClient{hub: h, number: role(r.URL.Path), conn: conn, send: make(chan []byte, sendBuffer)}
		h.register <- c
		go c.writePump()
		go c.readPump()
	}), h.star.count, func() error {
		close(h.stop)
		return nil
	})
}

func (h *chatHub) run() {
	for {
		select {
		case c := <-h.register:
			h.clients[c] = true
			h.star.enter(c.number, c)
		case c := <-h.unregister:
			h.remove(c)
		case m := <-h.messages:
			switch {
			case m.from.number >= 0:
				h.deliver(h.star.master, m.message)
			case m.message[0] == ToOne:
				h.deliver(h.star.members[recipient(m.message)], m.message)
			default:
				for c := range h.clients {
					if c != m.from {
						h.deliver(c, m.message)
					}
				}
			}
		case <-h.stop:
			for c := range h.clients {
				h.remove(c)
			}
			return
		}
	}
}

func (h *chatHub) remove(c *chatClient) {
	if h.clients[c] {
		delete(h.clients, c)
		h.star.leave(c.number)
		close(c.send)
	}
}

// deliver drops the client whose buffer is full, as the example does.
func (h *chatHub) deliver(c *chatClient, message []byte) {
	select {
	case c.send <- message:
	default:
		h.remove(c)
	}
}

func (c *chatClient) readPump() {
	defer func() {
		select {
		case c.hub.unregister <- c:
		case <-c.hub.stop:
		}
		_ = c.conn.Close()
	}()
	c.conn.SetReadLimit(maxMessage)
	_ = c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		_, message, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		select {
		case c.hub.messages <- chatMessage{c, message}:
		case <-c.hub.stop:
			return
		}
	}
}

// writePump puts what is queued into one message, with line ends between, as the
// example does.
func (c *chatClient) writePump() {
	ticker := time.NewTicker(pingPeriod)
	defer func() {
		ticker.Stop()
		_ = c.conn.Close()
	}()
	for {
		select {
		case message, ok := <-c.send:
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if !ok {
				_ = c.conn.WriteMessage(websocket.CloseMessage, nil)
				return
			}
			w, err := c.conn.NextWriter(websocket.TextMessage)
			if err != nil {
				return
			}
			_, _ = w.Write(message)
			for range len(c.send) {
				_, _ = w.Write([]byte{'\n'})
				_, _ = w.Write(<-c.send)
			}
			if w.Close() != nil {
				return
			}
		case <-ticker.C:
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if c.conn.WriteMessage(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}
