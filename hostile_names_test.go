package lectern_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// Names as the means of an attack.
func TestHostileNames(t *testing.T) {
	// A name that is too long is refused before it gets anywhere, the log too;
	// and a frame that is too long is not even read.
	t.Run("F2", func(t *testing.T) {
		var log lockedBuffer
		policy := lectern.Policy{Logger: slog.New(slog.NewJSONHandler(&log, nil))}
		inVirtualTime(t, policy, func(t *testing.T, s *stage) {
			_, one := s.pair()
			for ref, length := range []int{129, 5000, 100_000} {
				name := strings.Repeat("mallory", length/7+1)
				for _, frame := range []string{
					`{"type":"join","ref":%d,"channel":"abc123","username":"%s"}`, `{"type":"create","ref":%d,"channel":"%s","username":"x"}`,
					`{"type":"status","ref":%d,"channel":"%s"}`,
				} {
					one.refused(fmt.Sprintf(frame, ref+2, name), lectern.ErrBadName)
				}
				one.refused(fmt.Sprintf(`{"type":"leave","ref":%d,"channel":"%s"}`, ref+2, name), lectern.ErrNotAMember)
			}
			_ = one.conn.Write([]byte(`{"type":"join","ref":9,"channel":"abc123","username":"` + strings.Repeat("mallory", 1<<20/7) + `"}`))
			one.closed(transport.TooLarge)
			require.NotContains(t, log.text(), "mallory")
			require.Contains(t, log.text(), `"refused"`)
		})
	})

	// A name belongs to its holder while it is connected and while it is away.
	// The holder itself takes it over with the secret, and nobody else.
	t.Run("F6", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			for _, forged := range []string{"", `,"resume":"` + one.secret + `"`, `,"token":"` + one.secret + `"`} {
				s.raw().refused(strings.Replace(oneJoins, `}`, forged+`}`, 1), lectern.ErrNameTaken)
			}
			s.raw().refused(strings.Replace(oneJoins, "user_one", "alice", 1), lectern.ErrNameTaken)
			again := s.raw()
			again.send(`{"type":"resume","ref":2,"channel":"abc123","username":"user_one","resume":"` + one.secret + `"}`)
			again.expect(strings.Replace(oneJoined, `"ref":1`, `"ref":2`, 1))
			one.expect(`{"type":"closed","channel":"abc123","code":"replaced","reason":"the membership was taken over by a newer connection"}`)
			one.closed(transport.Replaced)
			again.plug.Cut()
			alice.expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
			s.raw().refused(oneJoins, lectern.ErrNameTaken)
		})
	})

	// A name that was given up is somebody else's next. What is still under way
	// for the one who had it never reaches the new one: neither the answer to its
	// question, nor its messages; and what the new one answers is no answer to a
	// question that the other was asked.
	t.Run("F7", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			one.send(`{"type":"send","ref":2,"channel":"abc123","request":true,"text":"may I?"}`)
			one.expect(`{"type":"ack","ref":2,"seq":1}`)
			alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"request":1,"text":"may I?"}`)
			alice.send(`{"type":"send","ref":2,"channel":"abc123","to":"user_one","request":true,"text":"are you ready?"}`)
			alice.expect(`{"type":"ack","ref":2,"seq":1,"slaves":1}`)
			one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"private":true,"request":1,"text":"are you ready?"}`)
			one.send(`{"type":"leave","ref":3,"channel":"abc123"}`)
			one.expect(`{"type":"left","ref":3,"channel":"abc123"}`)
			alice.expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)

			other := s.another(alice, "user_one")
			alice.refused(`{"type":"send","ref":3,"channel":"abc123","to":"user_one","reply":1,"text":"yes, one"}`, lectern.ErrNoSuchRequest)
			other.refused(`{"type":"send","ref":2,"channel":"abc123","reply":1,"text":"I am"}`, lectern.ErrNoSuchRequest)
			one.refused(`{"type":"send","ref":4,"channel":"abc123","reply":1,"text":"I am"}`, lectern.ErrNotAMember)

			// Nor does a resume show it what was said before it came.
			again := s.raw()
			again.send(`{"type":"resume","ref":3,"channel":"abc123","username":"user_one","resume":"` + other.secret + `"}`)
			again.expect(strings.Replace(oneJoined, `"ref":1`, `"ref":3`, 1))
			alice.send(`{"type":"send","channel":"abc123","to":"user_one","text":"the end"}`)
			again.expect(`{"type":"message","channel":"abc123","from":"alice","seq":2,"private":true,"text":"the end"}`)
		})
	})

	// What means something elsewhere, in subjects, paths or patterns, is only a
	// name here: of one channel and one slave.
	t.Run("F9", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			names := []string{"a", "a.b", "a.*", "a.>", "*", ">", "$KV.a", "$SYS", "a/b", "a/../a", "..", "%00", "a%00", "%61", "A", "'--", `\`, `"`}
			masters, slaves := map[string]*lectern.Master{}, map[string]*lectern.Slave{}
			creator, joiner := s.user(), s.user()
			for _, name := range names {
				masters[name] = creator.create(name, "m"+name)
				slaves[name] = joiner.join(name, name, lectern.WithMaster("m"+name))
			}
			for _, name := range names {
				for _, other := range names {
					_, err := masters[name].Send(within(t), other, lectern.Text("to "+other))
					if other != name {
						require.ErrorIs(t, err, lectern.ErrNoSuchSlave, "%q in %q", other, name)
					}
				}
				broadcast(t, masters[name], "in "+name)
			}
			for _, name := range names {
				receive(t, slaves[name], "to "+name, "in "+name)
				status, err := joiner.Status(within(t), name)
				require.NoError(t, err)
				require.Equal(t, "m"+name, status.Master.Username)
			}
			var listed []string
			for channel := range s.hub.Channels() {
				listed = append(listed, channel.Name())
			}
			require.Equal(t, slices.Sorted(slices.Values(names)), listed)
		})
	})

	// Names come and go without a trace. Whatever was left behind would count
	// against the limits.
	t.Run("F11", func(t *testing.T) {
		const names = 200
		policy := lectern.Policy{MaxChannels: 2, MaxSlaves: 2, MaxChannelsPerConn: 3, Rate: lectern.Rate{PerSecond: -1}, SlaveRate: lectern.Rate{PerSecond: -1}}
		inBubble(t, policy, func(t *testing.T, s *stage) {
			alice, one := s.user(), s.user()
			stays := alice.create("abc123", "alice")
			for i := range names {
				name := fmt.Sprint("name ", i)
				slave := one.join("abc123", name)
				_, err := slave.Send(within(t), lectern.Text(name))
				require.NoError(t, err)
				_, err = s.hub.Create(within(t), "abc123", name)
				require.ErrorIs(t, err, lectern.ErrChannelExists)
				master := alice.create(name, name)
				_, err = s.hub.Join(within(t), "no "+name, name)
				require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
				require.NoError(t, slave.Close())
				require.NoError(t, master.Close())
			}
			synctest.Wait()
			require.Empty(t, stays.Members())
			channels := slices.Collect(s.hub.Channels())
			require.Len(t, channels, 1)
			shot, ok := channels[0].Snapshot()
			require.True(t, ok)
			require.Empty(t, shot.Slaves)
			require.Zero(t, shot.Banned)
			require.LessOrEqual(t, shot.Kept.Messages, 256)
			require.NoError(t, stays.Close())
			require.Empty(t, slices.Collect(s.hub.Channels()))
		})
	})
}
