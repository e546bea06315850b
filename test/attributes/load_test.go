package attributes

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// unlimited is a policy that lets a test do things fast.
var unlimited = lectern.Policy{
	FrameRate: lectern.RateLimit{PerSecond: -1}, MembershipRate: lectern.RateLimit{PerSecond: -1}, SlaveMessageRate: lectern.RateLimit{PerSecond: -1},
}

// A slave that does not read gets of 1,000 values of one key two at most, in their place in the
// order, and it is not too slow because of them.
func TestAStalledSlaveGetsTheNewestValue(t *testing.T) {
	for _, slow := range []lectern.Slow{lectern.SlowDisconnect, lectern.SlowDropOldest, lectern.SlowHold} {
		policy := unlimited
		policy.Slow, policy.Outbox = slow, lectern.QueueLimit{Messages: 40}
		stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
			master := s.User().Creates("abc123", "alice")
			slow := s.Stalled(master)
			for range 20 { // so that its queue is not empty
				stage.Broadcast(t, master, stage.Bulk)
			}
			for n := range 1000 {
				require.NoError(t, master.SetAttribute(stage.Within(t), "tick", lectern.JSON(n)))
				if n == 500 {
					stage.Broadcast(t, master, "in between")
				}
			}
			stage.Broadcast(t, master, "end")
			synctest.Wait() // the slave's hub, which may be another one than the master's, has all before it reads
			told, values := 0, []string{}
			for last := 0; ; {
				frame, err := slow.Read()
				require.NoError(t, err)
				var seq, value int
				if n, _ := fmt.Sscanf(frame, `{"type":"message","channel":"abc123","from":"alice","seq":%d,`, &seq); n == 1 {
					told++
				} else {
					_, err := fmt.Sscanf(frame, `{"type":"attribute","channel":"abc123","from":"alice","seq":%d,"key":"tick","data":%d}`, &seq, &value)
					require.NoError(t, err, frame)
					values = append(values, fmt.Sprint(value))
				}
				require.Greater(t, seq, last, "the order is that of the numbers")
				last = seq
				if strings.Contains(frame, `"text":"end"`) {
					break
				}
			}
			require.Equal(t, 22, told)
			require.LessOrEqual(t, len(values), 2)
			require.Equal(t, "999", values[len(values)-1])
		})
	}
}

// A master that does not read is told the newest values too, however many slaves type, and no
// message of theirs is refused for that.
func TestTypingIsNeverAReasonForBusy(t *testing.T) {
	stage.InBubble(t, unlimited, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		var slaves []*lectern.Slave
		for n := range 60 {
			slaves = append(slaves, s.User().Joins("abc123", fmt.Sprint("user ", n)))
		}
		for range 10 {
			for n, slave := range slaves {
				require.NoError(t, slave.SetAttribute(stage.Within(t), "typing", lectern.JSON(n)))
			}
		}
		for n, slave := range slaves {
			for i := range 4 { // 240 in all, of 256 for which there is room
				_, err := slave.Send(stage.Within(t), lectern.Text(fmt.Sprint(n, " ", i)))
				require.NoError(t, err)
			}
		}
		time.Sleep(5 * time.Second)
		for _, slave := range slaves {
			require.NoError(t, slave.SetAttribute(stage.Within(t), "typing", lectern.Text("done")))
		}
		messages, values := 0, map[string]int{}
		for done := 0; done < len(slaves); {
			frame, err := alice.Read()
			require.NoError(t, err)
			switch {
			case strings.Contains(frame, `"type":"message"`):
				messages++
			case strings.Contains(frame, `"type":"attribute"`):
				name := strings.Split(frame, `"`)[11]
				values[name]++
				if strings.Contains(frame, `"text":"done"`) {
					done++
				}
			}
		}
		require.Equal(t, 240, messages)
		require.Len(t, values, 60)
		waited := 0
		for _, n := range values {
			require.LessOrEqual(t, n, 3, "one with which the writer is stuck, and two that wait")
			waited += n
		}
		require.Less(t, waited, 200)
	})
}

// joinAndDrop makes so many slaves with attributes, of which none has a connection.
func joinAndDrop(t *testing.T, s *stage.Stage, n int, attributes string) {
	for i := range n {
		one := s.Raw()
		one.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"user %d"%s}`, i, attributes))
		_, err := one.Read()
		require.NoError(t, err)
		_ = one.Conn.Close(transport.Reason{Code: transport.Idle})
	}
}

// Joins cost the master no frame for attributes: what there is goes along with the presence.
func TestJoinsCostNoFrameForAttributes(t *testing.T) {
	const joins = 10_000
	for _, attributes := range []string{"", `,"attributes":{"hand":{"text":"up"},"photo":{"base64":"AAAA"}}`} {
		stage.InBubble(t, unlimited, func(t *testing.T, s *stage.Stage) {
			alice := s.Raw()
			alice.Send(stage.AliceCreates)
			alice.Expect(stage.AliceCreated)
			for n := range joins {
				one := s.Raw()
				one.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"user %d"%s}`, n, attributes))
				_, err := one.Read()
				require.NoError(t, err)
				frame, err := alice.Read()
				require.NoError(t, err)
				require.Contains(t, frame, `{"type":"presence","channel":"abc123",`)
				require.Equal(t, attributes != "", strings.HasSuffix(frame, attributes+"}") && attributes != "")
			}
			require.Equal(t, `{"type":"pong","ref":2}`, alice.Answer(`{"type":"ping","ref":2}`), "and nothing else")
		})
	}
}

// A master with 20,000 slaves and 4 MiB of their attributes comes back: it is not too slow, and
// no frame is large for the attributes.
func TestAMasterComesBackToMuch(t *testing.T) {
	const slaves = 20_000
	policy := unlimited
	policy.SlaveTimeout, policy.MaxSlaves = time.Hour, slaves
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(`{"type":"create","ref":1,"channel":"abc123","username":"alice","instance":"i"}`)
		alice.Expect(strings.Replace(stage.AliceCreated, `}`, `,"confirm_messages":128,"confirm_bytes":524288}`, 1))
		alice.Plug.Cut()
		value := strings.Repeat("x", 4<<20/slaves-len("photo"))
		joinAndDrop(t, s, slaves, `,"attributes":{"photo":{"text":"`+value+`"}}`)
		refused := s.Raw().Answer(`{"type":"join","ref":1,"channel":"abc123","username":"one more","attributes":{"photo":{"text":"` + value + `"}}}`)
		require.Contains(t, refused, `"code":"channel_full"`)

		again := s.Raw()
		again.Send(`{"type":"resume","ref":2,"channel":"abc123","username":"alice","resume":"` + alice.Secret + `","instance":"i","epoch":1}`)
		synctest.Wait()
		time.Sleep(time.Second)
		list, err := again.Read()
		require.NoError(t, err)
		require.Contains(t, list, `"type":"created"`)
		again.Expect(`{"type":"reset","channel":"abc123"}`)
		last := 0
		for n := range slaves {
			frame, err := again.Read()
			require.NoError(t, err, "after %d", n)
			require.Less(t, len(frame), 1000)
			var seq, user int
			_, err = fmt.Sscanf(frame, `{"type":"attribute","channel":"abc123","from":"user %d","seq":%d,"key":"photo",`, &user, &seq)
			require.NoError(t, err)
			require.Greater(t, seq, last)
			last = seq
		}
		require.Equal(t, `{"type":"pong","ref":3}`, again.Answer(`{"type":"ping","ref":3}`), "and nothing else")
	})
}
