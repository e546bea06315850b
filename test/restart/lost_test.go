package restart

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// peer speaks by hand.
type peer struct {
	t    *testing.T
	conn transport.Conn
}

func (a *address) peer() *peer {
	conn, err := a.hub.Dial(a.t.Context())
	require.NoError(a.t, err)
	return &peer{a.t, conn}
}

func (p *peer) says(frames ...string) {
	p.t.Helper()
	for _, frame := range frames {
		require.NoError(p.t, p.conn.Write([]byte(frame)))
	}
	synctest.Wait()
}

type frame struct {
	Type, Channel, Code, Resume, Text string
	Ref, Seq, Epoch                   uint64
	Gap                               bool
	Missed                            int
}

// hears is the next frame that is none of the kinds that are passed over.
func (p *peer) hears(over ...string) (f frame) {
	p.t.Helper()
	for {
		data, err := p.conn.Read()
		require.NoError(p.t, err)
		f = frame{}
		require.NoError(p.t, json.Unmarshal(data, &f))
		if !strings.Contains(strings.Join(over, " "), f.Type) {
			return f
		}
	}
}

func (p *peer) leaves() { _ = p.conn.Close(transport.Reason{Code: transport.ProtocolError}) }

// An answer that was lost before the stop is asked for again after it: what was entered is
// entered once, and can be asked for as long as it could without the stop.
func TestALostAnswerIsAskedForOverAStop(t *testing.T) {
	const handshake = 10 * time.Second // HandshakeTimeout's default
	create := `{"type":"create","ref":%d,"channel":"abc123","username":"alice","instance":"A"}`
	other := `{"type":"create","ref":%d,"channel":"other","username":"alice","instance":"A"}`
	join := `{"type":"join","ref":%d,"channel":"abc123","username":"user_one","instance":"B"}`
	change := `{"type":"join","ref":%d,"channel":"other","username":"user_one","from":"abc123","instance":"B"}`
	for _, test := range []struct {
		name, asks string
		before     []string
		gap        time.Duration
		expected   string
	}{
		{"create", create, nil, time.Second, "created"},
		{"create, late", create, nil, handshake, "channel_exists"},
		{"join", join, []string{create}, time.Second, "joined"},
		{"join, late", join, []string{create}, handshake, "name_taken"},
		{"switch", change, []string{create, other, join}, time.Second, "joined"},
		{"switch, late", change, []string{create, other, join}, handshake, "not_a_member"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
				master, slave := a.peer(), a.peer()
				for i, asks := range append(test.before, test.asks) {
					if strings.Contains(asks, "create") {
						master.says(fmt.Sprintf(asks, i+1))
					} else {
						slave.says(fmt.Sprintf(asks, i+1))
					}
				}
				asked := time.Now()
				state := a.stops(time.Second)
				time.Sleep(test.gap - time.Since(asked))
				a.starts(state)
				p := a.peer()
				p.says(fmt.Sprintf(test.asks, 9))
				f := p.hears("presence")
				require.Equal(t, test.expected, strings.TrimPrefix(f.Type+f.Code, "error"))
				if f.Code == "" {
					require.NotZero(t, f.Resume)
					channel, ok := a.hub.Channel(f.Channel)
					require.True(t, ok)
					shot, _ := channel.Snapshot()
					require.LessOrEqual(t, len(shot.Slaves), 1)
					if test.name == "switch" {
						left, _ := a.hub.Channel("abc123")
						shot, _ := left.Snapshot()
						require.Empty(t, shot.Slaves)
					}
				}
				p.leaves()
				synctest.Wait()
			})
		})
	}
}

// A client that nobody has heard of since it has taken a membership over does not keep the
// former one out, though the hub has stopped in between.
func TestANewcomerThatWasNotHeard(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		p := a.peer()
		p.says(`{"type":"create","ref":1,"channel":"abc123","username":"alice","instance":"A"}`)
		created := p.hears()
		p.says(`{"type":"away","ref":2,"channel":"abc123"}`)
		p.leaves()
		resume := func(ref int, instance string) string {
			return fmt.Sprintf(`{"type":"resume","ref":%d,"channel":"abc123","username":"alice","resume":"%s","epoch":1,"instance":"%s"}`, ref, created.Resume, instance)
		}
		newcomer := a.peer()
		newcomer.says(resume(1, "B"))
		a.starts(a.stops(time.Second))
		p = a.peer()
		p.says(resume(3, "A"))
		require.Equal(t, "created", p.hears().Type)
		p.leaves()
		synctest.Wait()
	})
}

// What was acknowledged for a master that has not read it is there after the stop; what it has
// confirmed does not come again.
func TestWhatAMasterHasNotConfirmed(t *testing.T) {
	inBubble(t, lectern.Policy{Replay: lectern.QueueLimit{Messages: 4}}, func(t *testing.T, a *address) {
		p := a.peer()
		p.says(`{"type":"create","ref":1,"channel":"abc123","username":"alice","instance":"A"}`)
		created := p.hears()
		slave, err := a.client().Join(t.Context(), "abc123", "user_one")
		require.NoError(t, err)
		for i := range 9 {
			_, err := slave.Send(t.Context(), lectern.Text(fmt.Sprint(i)))
			require.NoError(t, err)
		}
		p.says(`{"type":"confirm","channel":"abc123","seq":2}`)
		a.starts(a.stops(time.Second))
		a.starts(a.stops(time.Second))
		p = a.peer()
		p.says(fmt.Sprintf(`{"type":"resume","ref":2,"channel":"abc123","username":"alice","resume":"%s","epoch":1,"last":2,"instance":"A"}`, created.Resume))
		require.False(t, p.hears().Gap)
		for i := 2; i < 9; i++ {
			f := p.hears("presence", "members")
			require.Equal(t, "message", f.Type)
			require.Equal(t, fmt.Sprint(i), f.Text)
			require.EqualValues(t, i+1, f.Seq)
		}
		p.leaves()
		synctest.Wait()
	})
}

// A slave that did not read when the hub stopped gets what is kept, whatever the hub did with
// those that are slow.
func TestSlowSlavesOverAStop(t *testing.T) {
	for _, slow := range []lectern.Slow{lectern.SlowDisconnect, lectern.SlowDropOldest, lectern.SlowDropNewest, lectern.SlowHold} {
		t.Run(fmt.Sprint(slow), func(t *testing.T) {
			policy := lectern.Policy{Slow: slow, Outbox: lectern.QueueLimit{Messages: 4}, WriteTimeout: time.Second, HoldTimeout: time.Second}
			inBubble(t, policy, func(t *testing.T, a *address) {
				master, err := a.client().Create(t.Context(), "abc123", "alice")
				require.NoError(t, err)
				p := a.peer()
				p.says(`{"type":"join","ref":1,"channel":"abc123","username":"user_one","instance":"B"}`)
				joined := p.hears()
				const all = 500
				for i := range all {
					_, err := master.Broadcast(t.Context(), lectern.Text(fmt.Sprint(i)))
					require.NoError(t, err)
				}
				a.starts(a.stops(100 * time.Millisecond))
				p = a.peer()
				p.says(fmt.Sprintf(`{"type":"resume","ref":2,"channel":"abc123","username":"user_one","resume":"%s","epoch":1,"instance":"B"}`, joined.Resume))
				got, missed := 0, 0
				for got+missed < all {
					switch f := p.hears("presence", "joined"); f.Type {
					case "gap":
						missed += f.Missed
					case "message":
						require.Equal(t, fmt.Sprint(got+missed), f.Text)
						got++
					default:
						require.Fail(t, "unexpected", "%v", f)
					}
				}
				require.LessOrEqual(t, missed, all-256, "so many are kept")
				p.leaves()
				synctest.Wait()
			})
		})
	}
}

// Of two secrets of which it is not known which one has arrived, both go on to be worth
// something, until a frame has come.
func TestASecretThatIsNotConfirmed(t *testing.T) {
	for _, shows := range []int{0, 1} {
		t.Run(fmt.Sprint(shows), func(t *testing.T) {
			inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
				_, err := a.client().Create(t.Context(), "abc123", "alice")
				require.NoError(t, err)
				var secrets []string
				for ref := range 2 {
					p := a.peer()
					p.says(fmt.Sprintf(`{"type":"join","ref":%d,"channel":"abc123","username":"user_one","instance":"B"}`, 1+ref))
					secrets = append(secrets, p.hears().Resume)
					p.conn.(interface{ Cut() }).Cut()
				}
				require.NotEqual(t, secrets[0], secrets[1])
				resume := func(ref, secret int) string {
					p := a.peer()
					defer p.leaves()
					p.says(fmt.Sprintf(`{"type":"resume","ref":%d,"channel":"abc123","username":"user_one","resume":"%s","epoch":1,"instance":"B"}`, ref, secrets[secret]))
					f := p.hears()
					if f.Code == "" {
						p.says(`{"type":"send","ref":90,"channel":"abc123","text":"here"}`)
						require.Equal(t, "ack", p.hears("presence").Type)
					}
					return f.Type + f.Code
				}
				a.starts(a.stops(time.Second))
				require.Equal(t, "joined", resume(10, shows))
				a.starts(a.stops(time.Second))
				require.Equal(t, "errorresume_failed", resume(11, 1-shows))
				require.Equal(t, "joined", resume(12, shows))
			})
		})
	}
}
