package hostile

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// Names as the means of an attack.
func TestHostileNames(t *testing.T) {
	// A name that is too long is refused before it gets anywhere, the log too;
	// and a frame that is too long is not even read.
	t.Run("F2", func(t *testing.T) {
		var log stage.LockedBuffer
		policy := lectern.Policy{Logger: slog.New(slog.NewJSONHandler(&log, nil))}
		stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
			_, one := s.Pair()
			for ref, length := range []int{129, 5000, 100_000} {
				name := strings.Repeat("mallory", length/7+1)
				for _, frame := range []string{
					`{"type":"join","ref":%d,"channel":"abc123","username":"%s"}`, `{"type":"create","ref":%d,"channel":"%s","username":"x"}`,
					`{"type":"status","ref":%d,"channel":"%s"}`,
				} {
					one.Refused(fmt.Sprintf(frame, ref+2, name), lectern.ErrBadName)
				}
				one.Refused(fmt.Sprintf(`{"type":"leave","ref":%d,"channel":"%s"}`, ref+2, name), lectern.ErrNotAMember)
			}
			_ = one.Conn.Write([]byte(`{"type":"join","ref":9,"channel":"abc123","username":"` + strings.Repeat("mallory", 1<<20/7) + `"}`))
			one.Closed(transport.TooLarge)
			require.NotContains(t, log.Text(), "mallory")
			require.Contains(t, log.Text(), `"refused"`)
		})
	})

	// A name belongs to its holder while it is connected and while it is away.
	// The holder itself takes it over with the secret, and nobody else.
	t.Run("F6", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			for _, forged := range []string{"", `,"resume":"` + one.Secret + `"`, `,"token":"` + one.Secret + `"`} {
				s.Raw().Refused(strings.Replace(stage.OneJoins, `}`, forged+`}`, 1), lectern.ErrNameTaken)
			}
			s.Raw().Refused(strings.Replace(stage.OneJoins, "user_one", "alice", 1), lectern.ErrNameTaken)
			again := s.Raw()
			again.Send(`{"type":"resume","ref":2,"channel":"abc123","username":"user_one","resume":"` + one.Secret + `"}`)
			again.Expect(stage.OneResumed(2))
			one.Expect(`{"type":"closed","channel":"abc123","code":"replaced","reason":"the membership was taken over by a newer connection"}`)
			one.Closed(transport.Replaced)
			again.Plug.Cut()
			alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"away"}`)
			s.Raw().Refused(stage.OneJoins, lectern.ErrNameTaken)
		})
	})

	// A name that was given up is somebody else's next. What is still under way
	// for the one who had it never reaches the new one: neither the answer to its
	// question, nor its messages; and what the new one answers is no answer to a
	// question that the other was asked.
	t.Run("F7", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			one.Send(`{"type":"send","ref":2,"channel":"abc123","request":true,"text":"may I?"}`)
			one.Expect(`{"type":"ack","ref":2,"seq":1}`)
			alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"request":1,"text":"may I?"}`)
			alice.Send(`{"type":"send","ref":2,"channel":"abc123","to":"user_one","request":true,"text":"are you ready?"}`)
			alice.Expect(`{"type":"ack","ref":2,"seq":1,"slaves":1}`)
			one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"private":true,"request":1,"text":"are you ready?"}`)
			one.Send(`{"type":"leave","ref":3,"channel":"abc123"}`)
			one.Expect(`{"type":"left","ref":3,"channel":"abc123"}`)
			alice.Expect(`{"type":"presence","channel":"abc123","username":"user_one","role":"slave","state":"left","reason":"left"}`)

			other := another(s, alice, "user_one")
			alice.Refused(`{"type":"send","ref":3,"channel":"abc123","to":"user_one","reply":1,"text":"yes, one"}`, lectern.ErrNoSuchRequest)
			other.Refused(`{"type":"send","ref":2,"channel":"abc123","reply":1,"text":"I am"}`, lectern.ErrNoSuchRequest)
			one.Refused(`{"type":"send","ref":4,"channel":"abc123","reply":1,"text":"I am"}`, lectern.ErrNotAMember)

			// Nor does a resume show it what was said before it came.
			again := s.Raw()
			again.Send(`{"type":"resume","ref":3,"channel":"abc123","username":"user_one","resume":"` + other.Secret + `"}`)
			again.Expect(stage.OneResumed(3))
			alice.Send(`{"type":"send","channel":"abc123","to":"user_one","text":"the end"}`)
			again.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":2,"private":true,"text":"the end"}`)
		})
	})

	// What means something elsewhere, in subjects, paths or patterns, is only a
	// name here: of one channel and one slave.
	t.Run("F9", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			names := []string{"a", "a.b", "a.*", "a.>", "*", ">", "$KV.a", "$SYS", "a/b", "a/../a", "..", "%00", "a%00", "%61", "A", "'--", `\`, `"`}
			masters, slaves := map[string]*lectern.Master{}, map[string]*lectern.Slave{}
			creator, joiner := s.User(), s.User()
			for _, name := range names {
				masters[name] = creator.Creates(name, "m"+name)
				slaves[name] = joiner.Joins(name, name, lectern.WithMaster("m"+name))
			}
			for _, name := range names {
				for _, other := range names {
					_, err := masters[name].Send(stage.Within(t), other, lectern.Text("to "+other))
					if other != name {
						require.ErrorIs(t, err, lectern.ErrNoSuchSlave, "%q in %q", other, name)
					}
				}
				stage.Broadcast(t, masters[name], "in "+name)
			}
			for _, name := range names {
				stage.Receive(t, slaves[name], "to "+name, "in "+name)
				status, err := joiner.Status(stage.Within(t), name)
				require.NoError(t, err)
				require.Equal(t, "m"+name, status.Master.Username)
			}
			var listed []string
			for channel := range s.Channels() {
				listed = append(listed, channel.Name())
			}
			if s.OfCluster() { // each hub lists those that it owns
				slices.Sort(listed)
			}
			require.Equal(t, slices.Sorted(slices.Values(names)), listed)
		})
	})

	// Names come and go without a trace. Whatever was left behind would count
	// against the limits.
	t.Run("F11", func(t *testing.T) {
		const names = 200
		unlimited := lectern.RateLimit{PerSecond: -1}
		policy := lectern.Policy{MaxChannels: 2, MaxSlaves: 2, MaxChannelsPerConnection: 3, FrameRate: unlimited, SlaveMessageRate: unlimited, MembershipRate: unlimited}
		stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
			alice, one := s.User(), s.User()
			stays := alice.Creates("abc123", "alice")
			for i := range names {
				name := fmt.Sprint("name ", i)
				slave := one.Joins("abc123", name)
				_, err := slave.Send(stage.Within(t), lectern.Text(name))
				require.NoError(t, err)
				_, err = s.Hub.Create(stage.Within(t), "abc123", name)
				require.ErrorIs(t, err, lectern.ErrChannelExists)
				master := alice.Creates(name, name)
				_, err = s.Hub.Join(stage.Within(t), "no "+name, name)
				require.ErrorIs(t, err, lectern.ErrNoSuchChannel)
				require.NoError(t, slave.Leave())
				require.NoError(t, master.Close())
			}
			synctest.Wait()
			require.Empty(t, stays.Members())
			channels := slices.Collect(s.Channels())
			require.Len(t, channels, 1)
			shot, ok := channels[0].Snapshot()
			require.True(t, ok)
			require.Empty(t, shot.Slaves)
			require.Zero(t, shot.Banned)
			require.LessOrEqual(t, shot.Kept.Messages, 256)
			require.NoError(t, stays.Close())
			require.Empty(t, slices.Collect(s.Channels()))
		})
	})
}
