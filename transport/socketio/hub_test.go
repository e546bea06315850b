package socketio

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

var ways = []string{"websocket", "polling"}

func newHub(t *testing.T, policy lectern.Policy) *lectern.Hub {
	t.Helper()
	hub, err := lectern.NewHub(policy)
	require.NoError(t, err)
	return hub
}

// eachWay runs a test in a bubble over each carrier, with a hub that is closed at its end.
func eachWay(t *testing.T, policy lectern.Policy, test func(t *testing.T, hub *lectern.Hub, s *site, way string)) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newHub(t, policy)
				s := newSite(t, hub, Options{})
				defer func() { require.NoError(t, hub.Close()) }()
				test(t, hub, s, way)
			})
		})
	}
}

// drain takes what a master gets.
func drain(master *lectern.Master) {
	for range master.Events(context.Background()) {
	}
}

// A lesson, from its beginning to its end.
func TestLesson(t *testing.T) {
	eachWay(t, lectern.Policy{}, func(t *testing.T, _ *lectern.Hub, s *site, way string) {
		alice := s.dial(t, way, "4", "")
		alice.connect(`{"channel":"abc123","username":"alice","role":"master"}`)
		alice.hearEvent("created")
		bob := s.dial(t, way, "4", "")
		bob.connect("")
		bob.say(`20["channel",{"channel":"abc123","username":"bob"}]`)
		require.Contains(t, bob.next(), `30[{"ok":true,"channel":"abc123","username":"bob"`)
		bob.hearEvent("joined")
		alice.hearEvent("presence")

		alice.say(`20["message",{"page":1}]`)
		alice.hear(`30[{"ok":true,"seq":1,"slaves":1}]`)
		bob.hear(`2["message",{"page":1},{"from":"alice","seq":1,"channel":"abc123"},"1@abc123"]`)
		bob.say(`21["request","why?"]`)
		require.Equal(t, []any{"why?", map[string]any{"from": "bob", "seq": 1.0, "channel": "abc123"}}, alice.hearEvent("request"))
		alice.say(`31["because"]`)
		bob.hear(`31[{"ok":true,"from":"alice","data":"because"}]`)
		alice.say(`22["request","ready?",{"to":"bob"}]`)
		bob.hearEvent("request")
		bob.say(`33[true]`)
		alice.hear(`32[{"ok":true,"from":"bob","data":true}]`)
		alice.say(`23["gather","who?"]`)
		bob.hearEvent("request")
		bob.say(`34[["me"]]`)
		alice.hear(`33[{"ok":true,"answers":[{"from":"bob","data":["me"]}]}]`)
		alice.say(`51-4["message",{"_placeholder":true,"num":0},{"to":"bob"}]`, "#00ff10")
		alice.hear(`34[{"ok":true,"seq":5,"slaves":1}]`)
		require.Contains(t, bob.next(), `51-["message",{"_placeholder":true,"num":0}`)
		bob.hear("#00ff10")
		alice.say(`25["set","slide",{"page":2}]`)
		alice.hear(`35[{"ok":true,"seq":6}]`)
		bob.hear(`2["attribute","slide",{"page":2},{"channel":"abc123","from":"alice","seq":6,"key":"slide"},"6@abc123"]`)
		bob.say(`22["message","forbidden",{"to":"eve"}]`)
		require.Contains(t, bob.next(), `32[{"ok":false,"error":"forbidden"`)

		alice.say(`26["kick","bob",{"reason":"late"}]`)
		both := alice.next() + alice.next() // in either order
		require.Contains(t, both, `"state":"left","reason":"late"`)
		require.Contains(t, both, `36[{"ok":true}]`)
		bob.hear(`2["closed",{"channel":"abc123","code":"kicked","reason":"late"}]`, "1")
		require.Empty(t, bob.hearEnd())
		alice.say("1") // socket.disconnect()
		require.Empty(t, alice.hearEnd())
	})
}

// Who is given no channel in time is disconnected for good, and told why.
func TestSocketWithoutAChannel(t *testing.T) {
	eachWay(t, lectern.Policy{}, func(t *testing.T, _ *lectern.Hub, s *site, way string) {
		c := s.dial(t, way, "4", "")
		c.connect("")
		begun := time.Now()
		c.hear(`2["closed",{"code":"idle","reason":"no membership"}]`, "1")
		require.Less(t, time.Since(begun), 11*time.Second)
		c.hearEnd()
	})
}

// A member that never reads is closed as slow, and nobody else notices.
func TestMemberThatNeverReads(t *testing.T) {
	eachWay(t, lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: -1}}, func(t *testing.T, hub *lectern.Hub, s *site, way string) {
		alice, err := hub.Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		defer alice.Close()
		go drain(alice)
		stuck := s.dialStuck(t, way)
		stuck.say(`0{"channel":"abc123","username":"stuck"}`)
		bob := s.dial(t, "websocket", "4", "")
		bob.connect(`{"channel":"abc123","username":"bob"}`)
		bob.hearEvent("joined")
		synctest.Wait()
		require.Len(t, alice.Members(), 2)
		const messages = 2000
		payload := strings.Repeat("x", 10_000)
		for i := range messages {
			_, err := alice.Broadcast(t.Context(), lectern.Text(fmt.Sprint(i, " ", payload)))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i, " ", payload), bob.hearEvent("message")[0])
		}
		time.Sleep(3 * time.Second) // in which it may still take its end
		for _, slave := range alice.Members() {
			require.Equal(t, slave.Username == "bob", slave.State == lectern.StateOnline, slave.Username)
		}
	})
}

// A hub that closes ends what polls, and waits for it.
func TestHubCloses(t *testing.T) {
	eachWay(t, lectern.Policy{}, func(t *testing.T, hub *lectern.Hub, s *site, way string) {
		var clients []*client
		for i := range 50 {
			c := s.dial(t, way, "4", "")
			c.connect(fmt.Sprintf(`{"channel":"c%d","username":"alice","role":"master"}`, i))
			c.hearEvent("created")
			clients = append(clients, c)
		}
		require.NoError(t, hub.Close())
		require.Zero(t, s.sessions())
		for _, c := range clients {
			require.NotContains(t, c.hearEnd(), "1", "it comes back by itself")
		}
	})
}

// A client that recovers gets each message once, over any number of cuts.
func TestRecoveryOverCuts(t *testing.T) {
	eachWay(t, lectern.Policy{}, func(t *testing.T, hub *lectern.Hub, s *site, way string) {
		alice, err := hub.Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		defer alice.Close()
		go drain(alice)
		pid, offset, next := "", "", 0
		sent := 0
		for cut := range 20 {
			c := s.dial(t, way, "4", "")
			auth := `{"channel":"abc123","username":"bob"}`
			if pid != "" {
				auth = fmt.Sprintf(`{"pid":%q,"offset":%q,"channel":"abc123","username":"bob"}`, pid, offset)
				if offset == "" {
					auth = fmt.Sprintf(`{"pid":%q,"channel":"abc123","username":"bob"}`, pid)
				}
			}
			before := pid
			if pid = c.connect(auth); before != "" {
				require.Equal(t, before, pid)
			}
			c.hearEvent("joined")
			for range 10 {
				_, err := alice.Broadcast(t.Context(), lectern.Text(fmt.Sprint(sent)))
				require.NoError(t, err)
				sent++
			}
			for range cut % 7 { // none at first
				arguments := c.hearEvent("message")
				require.Equal(t, fmt.Sprint(next), arguments[0])
				offset = arguments[2].(string)
				next++
			}
			c.cut()
		}
		c := s.dial(t, way, "4", "")
		c.connect(fmt.Sprintf(`{"pid":%q,"offset":%q}`, pid, offset))
		c.hearEvent("joined")
		for next < sent {
			require.Equal(t, fmt.Sprint(next), c.hearEvent("message")[0])
			next++
		}
	})
}

// Members that change from polling to WebSocket while much is said lose nothing, either way.
func TestUpgradesInAChannel(t *testing.T) {
	room := lectern.QueueLimit{Messages: 10_000, Bytes: 64 << 20} // so that nobody is told busy
	hub := newHub(t, lectern.Policy{Outbox: room, Replay: room})
	defer hub.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: NewHandler(hub, Options{}), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	defer func() {
		_ = server.Close()
		<-served
	}()
	s := siteAt(t, listener.Addr().String())
	const members, messages = 30, 100
	alice := s.dial(t, "websocket", "4", "")
	alice.connect(`{"channel":"abc123","username":"alice","role":"master"}`)
	alice.hearEvent("created")
	clients := make([]*client, members)
	for i := range clients {
		clients[i] = s.dial(t, "polling", "4", "")
		clients[i].connect(fmt.Sprintf(`{"channel":"abc123","username":"m%d"}`, i))
		clients[i].hearEvent("joined")
		alice.hearEvent("presence")
	}
	done := make(chan struct{}, members)
	for i, c := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := range messages {
				if n == i*messages/members {
					c.upgrade()
				}
				c.say(fmt.Sprintf(`2["message",%d]`, n))
			}
		}()
	}
	for n := range messages {
		alice.say(fmt.Sprintf(`2["message",%d]`, n))
	}
	for range clients {
		<-done
	}
	for _, c := range clients {
		for n := range messages {
			require.EqualValues(t, n, c.hearEvent("message")[0])
		}
	}
	next := make(map[string]int)
	for range members * messages {
		arguments := alice.hearEvent("message")
		from := arguments[1].(map[string]any)["from"].(string)
		require.EqualValues(t, next[from], arguments[0], from)
		next[from]++
	}
}
