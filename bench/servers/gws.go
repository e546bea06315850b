package servers

import (
	"bytes"
	"net/http"
	"time"

	"github.com/lxzan/gws"
)

// gwsEvents keeps the read deadline as the README's example does.
type gwsEvents struct {
	gws.BuiltinEventHandler
	star star[*gws.Conn]
}

const (
	gwsNumber       = "number"
	gwsPingInterval = 5 * time.Second
	gwsPingWait     = 10 * time.Second
)

func gwsRole(c *gws.Conn) int {
	number, _ := c.Session().Load(gwsNumber)
	return number.(int)
}

func (e *gwsEvents) OnOpen(c *gws.Conn) { e.star.enter(gwsRole(c), c) }

func (e *gwsEvents) OnClose(c *gws.Conn, _ error) { e.star.leave(gwsRole(c)) }

func (e *gwsEvents) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	e.star.mu.RLock()
	defer e.star.mu.RUnlock()
	message := m.Bytes()
	switch {
	case gwsRole(c) >= 0:
		_ = e.star.master.WriteMessage(gws.OpcodeBinary, message)
	case message[0] == ToOne:
		_ = e.star.members[recipient(message)].WriteMessage(gws.OpcodeBinary, message)
	default:
		// The broadcaster sends later; the message is reused before.
		b := gws.NewBroadcaster(gws.OpcodeBinary, bytes.Clone(message))
		for _, member := range e.star.members {
			if member != nil {
				_ = b.Broadcast(member)
			}
		}
		_ = b.Close()
	}
}

// newGWS is gws, with its broadcaster, and a goroutine for each connection, as
// its README advises.
func newGWS() (Server, error) {
	events := new(gwsEvents)
	upgrader := gws.NewUpgrader(events, &gws.ServerOption{
		Authorize: func(r *http.Request, session gws.SessionStorage) bool {
			session.Store(gwsNumber, role(r.URL.Path))
			return true
		},
	})
	return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			// In a goroutine of its own, so that the request can be freed.
			go conn.ReadLoop()
		}
	}), events.star.count, nil)
}
