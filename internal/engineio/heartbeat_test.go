package engineio

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// A ping comes every interval, whatever else does.
func TestPings(t *testing.T) {
	t.Run("polling", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			id, _ := s.poll(t)
			begun := time.Now()
			for i := range 3 {
				_, body := s.get(t, id)
				require.Equal(t, "2", body)
				require.Equal(t, time.Duration(i+1)*10*time.Second, time.Since(begun))
				require.Equal(t, http.StatusOK, s.post(t, id, "3"))
			}
		})
	})
	t.Run("WebSocket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			c := s.dial(t, "", "4")
			defer c.Close()
			_, open, err := c.ReadMessage()
			require.NoError(t, err)
			require.Empty(t, readOpen(t, string(open)).Upgrades)
			begun := time.Now()
			for i := range 3 {
				time.Sleep(time.Second)
				say(t, c, "4x")
				hear(t, c, "4x", "2")
				require.Equal(t, time.Duration(i+1)*10*time.Second, time.Since(begun))
				say(t, c, "3")
			}
		})
	})
	t.Run("of a client of version 3", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			c := s.dial(t, "", "3")
			defer c.Close()
			_, _, err := c.ReadMessage()
			require.NoError(t, err)
			for range 5 {
				time.Sleep(10 * time.Second)
				say(t, c, "2probe?")
				hear(t, c, "3probe?")
			}
		})
	})
}

// Who answers no ping is given up, after the interval and the timeout.
func TestSilentClients(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T, s *site){
		"polling":   func(t *testing.T, s *site) { s.do(t, http.MethodGet, address("", "polling", "4"), "") },
		"version 3": func(t *testing.T, s *site) { s.do(t, http.MethodGet, address("", "polling", "3"), "") },
		"WebSocket": func(t *testing.T, s *site) {
			c := s.dial(t, "", "4")
			go hearEnd(c)
		},
		"WebSocket of version 3": func(t *testing.T, s *site) {
			c := s.dial(t, "", "3")
			go hearEnd(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				begin(t, s)
				begun, e := time.Now(), <-s.echoes
				require.Equal(t, transport.ErrSilent, <-e.ended)
				require.Equal(t, 15*time.Second, time.Since(begun))
				require.Zero(t, s.endpoint.Sessions())
			})
		})
	}
}

// A poll that comes when the time is up is too late, whether somebody has noticed that or not.
func TestPollThatIsTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *Config) { c.Conn.ProbeAfter, c.Conn.GiveUp = 300*time.Millisecond, 200*time.Millisecond })
		id, e := s.poll(t)
		time.Sleep(500 * time.Millisecond)
		status, _ := s.get(t, id)
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, transport.ErrSilent, <-e.ended)
	})
}

// Whatever a client sends after the ping is a sign of life.
func TestMessagesAreSignsOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		c := s.dial(t, "", "4")
		e := <-s.echoes
		for range 10 {
			time.Sleep(4 * time.Second)
			say(t, c, "4x")
		}
		synctest.Wait()
		require.Empty(t, e.ended)
		require.NoError(t, c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(1000, ""), time.Now().Add(time.Second)))
		hearEnd(c)
	})
}

// Without a time to give up, pings come all the same, and nobody is given up.
func TestNobodyIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *Config) { c.Conn.ProbeAfter = -1 })
		c := s.dial(t, "", "4")
		defer c.Close()
		_, _, err := c.ReadMessage()
		require.NoError(t, err)
		hear(t, c, "2")
		time.Sleep(time.Hour)
		say(t, c, "4x")
		hear(t, c, "4x")
	})
}

// A client that this side holds up, and whose answers it has not read, is not given up, and has
// its pings.
func TestSessionThatIsHeldUp(t *testing.T) {
	for _, way := range []string{"polling", "WebSocket"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				hold := make(chan struct{})
				var hear func() string
				var e *echo
				if way == "polling" {
					var id string
					id, e = s.poll(t)
					e.hold = hold
					posted := make(chan int, 1)
					go func() { posted <- s.post(t, id, "4x") }()
					defer func() { require.Equal(t, http.StatusOK, <-posted) }()
					hear = func() string {
						_, body := s.get(t, id)
						return body
					}
				} else {
					c := s.dial(t, "", "4")
					defer c.Close()
					e = <-s.echoes
					_, _, err := c.ReadMessage()
					require.NoError(t, err)
					e.hold = hold
					say(t, c, "4x")
					hear = func() string {
						_, packet, err := c.ReadMessage()
						require.NoError(t, err)
						return string(packet)
					}
				}
				last := time.Now()
				for range 10 {
					require.Equal(t, "2", hear())
					require.Less(t, time.Since(last), 15*time.Second, "a client waits no longer")
					last = time.Now()
				}
				close(hold)
				require.Equal(t, "4x", hear())
			})
		})
	}
}
