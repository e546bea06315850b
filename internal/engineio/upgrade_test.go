package engineio

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What no poll has fetched comes first on the WebSocket, and what is written meanwhile behind it.
func TestUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		id, e := s.poll(t)
		first := make(chan string)
		go func() {
			_, body := s.get(t, id)
			first <- body
		}()
		synctest.Wait()
		c := s.dial(t, id, "4")
		defer c.Close()
		say(t, c, "2probe")
		hear(t, c, "3probe")
		require.Equal(t, "6", <-first, "the poll that has waited is let go at once")
		begun := time.Now()
		_, body := s.get(t, id)
		require.Equal(t, "6", body, "and one that comes meanwhile soon")
		require.Equal(t, upgradePoll, time.Since(begun))

		require.True(t, e.session.TryWrite(append(Text(nil), "one"...)))
		written := make(chan error)
		go func() { written <- e.session.Write(append(Text(nil), "two"...)) }()
		synctest.Wait()
		say(t, c, "5")
		hear(t, c, "4one", "4two")
		require.NoError(t, <-written)
		say(t, c, "4three")
		hear(t, c, "4three")

		status, _ := s.get(t, id)
		require.Equal(t, http.StatusBadRequest, status)
		second := s.dial(t, id, "4")
		hearEnd(second)
		say(t, c, "4four")
		hear(t, c, "4four")
		hear(t, c, "2")
		say(t, c, "3")
	})
}

// A change that does not come about leaves the session as it is.
func TestUpgradeThatFails(t *testing.T) {
	for name, fail := range map[string]func(t *testing.T, s *site, id string){
		"closed": func(t *testing.T, s *site, id string) {
			c := s.dial(t, id, "4")
			say(t, c, "2probe")
			hear(t, c, "3probe")
			_ = c.Close()
		},
		"never asked for": func(t *testing.T, s *site, id string) {
			c := s.dial(t, id, "4")
			begun := time.Now()
			go func() { // meanwhile the pings are answered
				_, body := s.get(t, id)
				require.Equal(t, "2", body)
				s.post(t, id, "3")
			}()
			hearEnd(c)
			require.Equal(t, upgradeWait, time.Since(begun))
		},
		"nonsense": func(t *testing.T, s *site, id string) {
			c := s.dial(t, id, "4")
			say(t, c, "4message")
			hearEnd(c)
		},
		"without a probe": func(t *testing.T, s *site, id string) {
			c := s.dial(t, id, "4")
			say(t, c, "5")
			hearEnd(c)
		},
		"two at once": func(t *testing.T, s *site, id string) {
			c := s.dial(t, id, "4")
			say(t, c, "2probe")
			hear(t, c, "3probe")
			hearEnd(s.dial(t, id, "4"))
			_ = c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				id, _ := s.poll(t)
				fail(t, s, id)
				synctest.Wait()
				require.Equal(t, http.StatusOK, s.post(t, id, "4x"))
				_, body := s.get(t, id)
				require.Equal(t, "4x", body)
				c := s.dial(t, id, "4")
				defer c.Close()
				say(t, c, "2probe")
				hear(t, c, "3probe")
				say(t, c, "5", "4y")
				hear(t, c, "4y")
			})
		})
	}
}

// Sessions that change while much is written lose nothing, and have nothing twice or out of
// order.
func TestUpgradesUnderTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		const sessions, messages = 100, 60
		done := make(chan struct{})
		for range sessions {
			id, e := s.poll(t)
			go func() {
				for i := range messages {
					time.Sleep(time.Millisecond)
					require.NoError(t, e.session.Write(fmt.Appendf(Text(nil), "%d", i)))
				}
			}()
			go func() {
				defer func() { done <- struct{}{} }()
				next := 0
				take := func(packet string) {
					if packet != "6" {
						require.Equal(t, fmt.Sprintf("4%d", next), packet)
						next++
					}
				}
				stop, stopped := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(stopped)
					for {
						_, body := s.get(t, id)
						take(body)
						select {
						case <-stop:
							return
						default:
						}
					}
				}()
				time.Sleep(5 * time.Millisecond)
				c := s.dial(t, id, "4")
				defer c.Close()
				say(t, c, "2probe")
				hear(t, c, "3probe")
				close(stop)
				<-stopped
				say(t, c, "5")
				for next < messages {
					_, packet, err := c.ReadMessage()
					require.NoError(t, err)
					take(string(packet))
				}
			}()
		}
		for range sessions {
			<-done
		}
	})
}

// Sessions that come and go leave nothing behind, whatever they were carried by.
func TestSessionsComeAndGo(t *testing.T) {
	for _, way := range []string{"polling", "WebSocket", "upgrade", "upgrade that is cut"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				done := make(chan struct{})
				for range 1000 {
					go func() {
						defer func() { done <- struct{}{} }()
						if way == "WebSocket" {
							c := s.dial(t, "", "4")
							say(t, c, "4x")
							_ = c.Close()
							return
						}
						status, body := s.do(t, http.MethodGet, address("", "polling", "4"), "")
						require.Equal(t, http.StatusOK, status)
						id := readOpen(t, body).SID
						if way == "polling" {
							s.post(t, id, "1")
							return
						}
						c := s.dial(t, id, "4")
						say(t, c, "2probe")
						hear(t, c, "3probe")
						if way == "upgrade" {
							say(t, c, "5")
						}
						_ = c.Close()
					}()
				}
				for range 1000 {
					<-done
				}
				for range 1000 {
					e := <-s.echoes
					<-e.ended
				}
				synctest.Wait()
				time.Sleep(2 * time.Second)
				require.Zero(t, s.endpoint.Sessions())
				for i := range s.endpoint.beats.lists {
					require.Nil(t, s.endpoint.beats.lists[i].First())
				}
			})
		})
	}
}
