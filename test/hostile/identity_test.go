package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

func resumeFrame(channel, username, secret, more string) string {
	return fmt.Sprintf(`{"type":"resume","channel":%q,"username":%q,"resume":%q%s}`, channel, username, secret, more)
}

// Secrets and tokens in the wrong hands.
func TestHostileIdentity(t *testing.T) {
	// Whatever is guessed, and whether there is such a member or not, the answer
	// is the same; and nobody guesses for long on one connection.
	t.Run("G1", func(t *testing.T) {
		stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			_, one := s.Pair()
			bob := stranger(s)
			guesser := s.Raw()
			const refusal = `{"type":"error","channel":"abc123","code":"resume_failed","message":"there is no membership of \"user_one\" in \"abc123\" with that secret and that last message: join, or create, anew"}`
			for i := range 22 {
				last := "A"
				if one.Secret[i] == 'A' {
					last = "B"
				}
				guess := one.Secret[:i] + last + one.Secret[i+1:] // right but for one
				require.Equal(t, refusal, guesser.Answer(resumeFrame("abc123", "user_one", guess, "")))
			}
			for _, frame := range []string{
				resumeFrame("abc123", "user_one", "", ""), resumeFrame("abc123", "user_one", strings.Repeat("A", 1000), ""),
				resumeFrame("abc123", "nobody", one.Secret, ""), resumeFrame("abc123", "alice", one.Secret, ""),
			} {
				// The names are those of the frame, and all that differs.
				named := strings.NewReplacer("nobody", "user_one", "alice", "user_one").Replace(guesser.Answer(frame))
				require.Equal(t, refusal, named)
			}
			require.Equal(t, strings.ReplaceAll(refusal, "abc123", "nowhere"), guesser.Answer(resumeFrame("nowhere", "user_one", one.Secret, "")))

			guesses, end := 0, error(nil)
			for ; end == nil; guesses++ {
				if end = guesser.Conn.Write([]byte(resumeFrame("abc123", "user_one", fmt.Sprintf("%022d", guesses), ""))); end == nil {
					_, end = guesser.Read()
				}
				require.Less(t, guesses, 1000)
			}
			one.Send(`{"type":"ping","ref":2}`)
			one.Expect(`{"type":"pong","ref":2}`) // and nobody was replaced
			bob.Send(`{"type":"ping","ref":2}`)
			bob.Expect(`{"type":"pong","ref":2}`)
		})
	})

	// While several take one membership over at the same time, its master goes
	// on sending. Whoever has it in the end has got everything, once and in
	// order; the others a part from the beginning on, without a hole.
	t.Run("G3", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			const contenders, count = 5, 100
			master := s.User().Creates("abc123", "alice")
			ticket := s.User().Joins("abc123", "user_one").Ticket()
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := range count {
					if _, err := master.Broadcast(stage.Within(t), lectern.Text(fmt.Sprint(i))); err != nil {
						t.Errorf("Broadcast: %v", err)
					}
				}
			})
			got := make([]int, contenders)
			slaves := make([]*lectern.Slave, contenders)
			for i := range contenders {
				u := s.User()
				wg.Go(func() {
					slave, err := u.ResumeSlave(stage.Within(t), ticket)
					for err == nil && got[i] < count {
						var message lectern.Message
						if message, err = slave.Receive(stage.Within(t)); err == nil {
							if want := fmt.Sprint(got[i]); message.Text() != want {
								t.Errorf("%q instead of %q", message.Text(), want)
							}
							got[i]++
						}
					}
					if err != nil && !errors.Is(err, lectern.ErrReplaced) {
						t.Errorf("the end: %v", err)
					}
					slaves[i] = slave
				})
			}
			wg.Wait()
			stage.Broadcast(t, master, "the end")
			holders := 0
			for i, slave := range slaves {
				if slave == nil {
					continue // it was told at once that another one has the membership
				}
				message, err := slave.Receive(stage.Within(t))
				if err != nil {
					require.ErrorIs(t, err, lectern.ErrReplaced)
					continue
				}
				require.Equal(t, "the end", message.Text())
				require.Equal(t, count, got[i])
				holders++
			}
			require.Equal(t, 1, holders)
		})
	})

	// The old connection is half open. The slave is back on another one at once,
	// from the last message that it took, and nobody else gets the name.
	t.Run("G4", func(t *testing.T) {
		stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			master := s.User().Creates("abc123", "alice")
			one := s.User()
			ghost := one.Joins("abc123", "user_one")
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
			stage.Broadcast(t, master, "taken")
			stage.Receive(t, ghost, "taken")
			one.Bar(true)
			one.Plug().Silence()
			for i := range 5 {
				stage.Broadcast(t, master, fmt.Sprint("lost ", i))
			}
			_, err := s.User().Join(stage.Within(t), "abc123", "user_one")
			require.ErrorIs(t, err, lectern.ErrNameTaken)
			began := time.Now()
			slave, err := s.User().ResumeSlave(stage.Within(t), ghost.Ticket())
			require.NoError(t, err)
			require.Equal(t, began, time.Now())
			stage.Receive(t, slave, "lost 0", "lost 1", "lost 2", "lost 3", "lost 4")
			stage.Say(t, slave, "here again")
			stage.NextText(t, master, "here again") // it was never away
			one.Bar(false)
			time.Sleep(time.Minute)
		})
	})

	// A number that the hub never gave, in this channel or in any.
	t.Run("G6", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			alice.Send(`{"type":"send","channel":"abc123","text":"hello"}`)
			one.Expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"hello"}`)
			ahead := func(by int) string {
				if s.OfCluster() {
					by += 1 << 20 // so much may the log of several hubs have lost
				}
				return fmt.Sprint(by)
			}
			for last, code := range map[string]*lectern.Error{
				ahead(2): lectern.ErrResumeFailed, "9007199254740992": lectern.ErrResumeFailed,
				"-1": lectern.ErrBadFrame, "9007199254740993": lectern.ErrBadFrame, "18446744073709551615": lectern.ErrBadFrame,
				"18446744073709551616": lectern.ErrBadFrame, "1.5": lectern.ErrBadFrame, "1e400": lectern.ErrBadFrame, `"1"`: lectern.ErrBadFrame,
			} {
				s.Raw().Refused(resumeFrame("abc123", "user_one", one.Secret, `,"last":`+last), code)
			}
			// A number of the master's direction is none of the slaves'.
			s.Raw().Refused(resumeFrame("abc123", "alice", alice.Secret, `,"last":`+ahead(1)), lectern.ErrResumeFailed)

			// Nor does one that was right in an earlier channel of the name count.
			alice.Send(`{"type":"leave","channel":"abc123"}`)
			alice.Expect(`{"type":"left","channel":"abc123"}`)
			one.Expect(`{"type":"closed","channel":"abc123","code":"master_left"}`)
			if s.OfCluster() {
				return // which one may not tell there: the log may have lost the numbers of this one
			}
			_, next := s.Pair()
			s.Raw().Refused(resumeFrame("abc123", "user_one", next.Secret, `,"last":`+ahead(1)), lectern.ErrResumeFailed)
			next.Send(`{"type":"ping"}`)
			next.Expect(`{"type":"pong"}`)
		})
	})

	// A membership that is over does not come back, however it ended, nor does
	// its secret open the next one of the name.
	t.Run("G7", func(t *testing.T) {
		expired := func(t *testing.T, s *stage.Stage, _ *lectern.Master, one *stage.User, slave *lectern.Slave) {
			one.CutOff()
			time.Sleep(10 * time.Second) // SlaveTimeout, to the instant
		}
		ends := []struct {
			name   string
			end    func(t *testing.T, s *stage.Stage, master *lectern.Master, one *stage.User, slave *lectern.Slave)
			banned bool
		}{
			{name: "expired", end: expired},
			{name: "kicked", end: func(t *testing.T, _ *stage.Stage, master *lectern.Master, _ *stage.User, slave *lectern.Slave) {
				require.NoError(t, master.Kick(stage.Within(t), "user_one", ""))
			}},
			{name: "kicked while away", end: func(t *testing.T, _ *stage.Stage, master *lectern.Master, one *stage.User, _ *lectern.Slave) {
				one.CutOff()
				synctest.Wait()
				require.NoError(t, master.Kick(stage.Within(t), "user_one", ""))
			}},
			{name: "banned", banned: true, end: func(t *testing.T, _ *stage.Stage, master *lectern.Master, _ *stage.User, _ *lectern.Slave) {
				require.NoError(t, master.Ban(stage.Within(t), "user_one", ""))
			}},
			{name: "left", end: func(t *testing.T, _ *stage.Stage, _ *lectern.Master, _ *stage.User, slave *lectern.Slave) {
				require.NoError(t, slave.Leave())
			}},
			{name: "closed by its master", end: func(t *testing.T, _ *stage.Stage, master *lectern.Master, _ *stage.User, _ *lectern.Slave) {
				require.NoError(t, master.Close())
			}},
			{name: "closed by the service", end: func(t *testing.T, s *stage.Stage, _ *lectern.Master, _ *stage.User, _ *lectern.Slave) {
				channel, _ := s.Hub.Channel("abc123")
				require.NoError(t, channel.Close(""))
			}},
		}
		for _, c := range ends {
			t.Run(c.name, func(t *testing.T) {
				stage.InVirtualTime(t, lectern.Policy{SlaveTimeout: 10 * time.Second}, func(t *testing.T, s *stage.Stage) {
					master, one := s.User().Creates("abc123", "alice"), s.User()
					slave := one.Joins("abc123", "user_one")
					tickets := []lectern.Ticket{slave.Ticket(), master.Ticket()}
					c.end(t, s, master, one, slave)
					_, err := s.User().ResumeSlave(stage.Within(t), tickets[0])
					require.ErrorIs(t, err, lectern.ErrResumeFailed)

					// In the next channel of the name it opens nothing either.
					_ = master.Close()
					master = s.User().Creates("abc123", "alice")
					synctest.Wait() // each hub has heard of the end
					slave = s.User().Joins("abc123", "user_one")
					_, err = s.User().ResumeSlave(stage.Within(t), tickets[0])
					require.ErrorIs(t, err, lectern.ErrResumeFailed)
					_, err = s.User().ResumeMaster(stage.Within(t), tickets[1])
					require.ErrorIs(t, err, lectern.ErrResumeFailed)
					stage.Broadcast(t, master, "nobody was replaced")
					stage.Receive(t, slave, "nobody was replaced")
				})
			})
		}
	})

	// No text that the library makes has a token or a secret in it: no error, no
	// word to a peer, no way to print a ticket. The logs are in other tests.
	t.Run("G9", func(t *testing.T) {
		var log stage.LockedBuffer
		loggers := []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))}
		policy := lectern.Policy{Logger: loggers[1], Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
			switch {
			case strings.HasPrefix(r.Token, "panic"):
				panic("a mistake of the service")
			case strings.HasPrefix(r.Token, "wrong"):
				return lectern.Identity{}, fmt.Errorf("no: %s", r.Token)
			}
			return lectern.Identity{AsAsked: true}, nil
		}}
		stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
			master := s.User().Creates("abc123", "alice", lectern.WithToken("right-token"))
			ticket := master.Ticket()
			var texts []string
			for _, token := range []string{"panic-token", "wrong-token"} {
				_, err := s.User().Create(stage.Within(t), "xyz", "bob", lectern.WithToken(token))
				require.ErrorIs(t, err, lectern.ErrUnauthorized)
				texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, err))
			}
			forged := ticket
			forged.Username = "nobody"
			_, err := s.User().ResumeMaster(stage.Within(t), forged)
			texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, err))
			texts = append(texts, fmt.Sprintf("%v %+v %#v %s %q", ticket, ticket, ticket, &ticket, []lectern.Ticket{ticket}))
			for _, logger := range loggers {
				logger.Info("printed", "ticket", ticket, "pointer", &ticket)
			}
			peer := s.Raw()
			texts = append(texts, peer.Answer(resumeFrame("abc123", "nobody", ticket.Secret, `,"token":"right-token"`)))
			texts = append(texts, peer.Answer(`{"type":"create","channel":"abc123","username":"x","token":"right-token","ref":0}`))
			for _, text := range append(texts, log.Text()) {
				for _, secret := range []string{ticket.Secret, "panic-token", "wrong-token", "right-token"} {
					require.False(t, strings.Contains(text, secret), "%q is told", secret)
				}
			}
			// But whoever wants to keep a ticket can.
			kept, err := json.Marshal(ticket)
			require.NoError(t, err)
			var read lectern.Ticket
			require.NoError(t, json.Unmarshal(kept, &read))
			require.Equal(t, ticket, read)
		})
	})

	// The role is in the signed token: a slave's token creates nothing, not under
	// the master's name either, and a slave's secret makes nobody a master.
	t.Run("G11", func(t *testing.T) {
		signer := signer{key: []byte("a key of the service's own")}
		stage.Everywhere(t, lectern.Policy{Authorize: signer.Authorize}, func(t *testing.T, s *stage.Stage) {
			soon := time.Now().Add(time.Hour).Unix()
			teacher := signer.token(claims{"alice", "master", "abc123", soon})
			pupil := signer.token(claims{"user_one", "slave", "abc123", soon})
			body, mac, _ := strings.Cut(pupil, ".")
			other, _, _ := strings.Cut(teacher, ".")
			for _, token := range []string{pupil, "", body, body + ".", other + "." + mac, pupil + "A", "." + mac} {
				for _, name := range []string{"user_one", "alice"} {
					_, err := s.User().Create(stage.Within(t), "abc123", name, lectern.WithToken(token))
					require.ErrorIs(t, err, lectern.ErrUnauthorized)
				}
			}
			_, exists := s.Hub.Channel("abc123")
			require.False(t, exists)

			master := s.User().Creates("abc123", "alice", lectern.WithToken(teacher))
			slave := s.User().Joins("abc123", "alice", lectern.WithToken(pupil))
			require.Equal(t, "user_one", slave.Username())
			asMaster := slave.Ticket()
			asMaster.Username, asMaster.Master = "alice", true
			_, err := s.User().ResumeMaster(stage.Within(t), asMaster)
			require.ErrorIs(t, err, lectern.ErrResumeFailed)
			stage.Broadcast(t, master, "still me")
			stage.Receive(t, slave, "still me")
		})
	})

	// A message that is sent again after a takeover is known by its ref: it is
	// acknowledged with the number that it had, and is not delivered again.
	t.Run("G14", func(t *testing.T) {
		stage.Everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice, one := s.Pair()
			send := `{"type":"send","ref":10,"channel":"abc123","request":true,"text":"once"}`
			down := `{"type":"send","ref":10,"channel":"abc123","to":"user_one","text":"once"}`
			one.Send(send)
			one.Expect(`{"type":"ack","ref":10,"seq":1}`)
			alice.Expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"request":1,"text":"once"}`)
			alice.Send(down)
			alice.Expect(`{"type":"ack","ref":10,"seq":1,"slaves":1}`)
			again, master := s.Raw(), s.Raw()
			again.Send(strings.Replace(resumeFrame("abc123", "user_one", one.Secret, `,"last":1`), `{`, `{"ref":11,`, 1), send)
			again.Expect(stage.OneResumed(11), `{"type":"ack","ref":10,"seq":1}`)
			// It says which attributes it knows, of which there are none: another hub may take the channel, and count anew.
			master.Send(strings.Replace(resumeFrame("abc123", "alice", alice.Secret, `,"last":1,"seq":1`), `{`, `{"ref":11,`, 1), down)
			got, err := master.Read()
			require.NoError(t, err)
			require.Regexp(t, regexp.MustCompile(`^{"type":"created","ref":11,.*"epoch":2,`), got)
			master.Expect(`{"type":"ack","ref":10,"seq":1,"slaves":1}`)
			// The slave says something once it has heard of the master on its next connection: in a cluster the channel may have moved for that.
			// Where the hub that takes it does not hear from the one before which numbers there were, they go on well above those.
			seq := regexp.MustCompile(`"seq":(2|1026)`)
			end := master.Answer(`{"type":"send","ref":12,"channel":"abc123","text":"the end"}`)
			require.Regexp(t, seq, end)
			down = seq.FindString(end)
			again.Expect(`{"type":"message","channel":"abc123","from":"alice",` + down + `,"text":"the end"}`)
			end = again.Answer(`{"type":"send","ref":12,"channel":"abc123","text":"the end"}`)
			require.Regexp(t, seq, end)
			master.Expect(`{"type":"message","channel":"abc123","from":"user_one",` + seq.FindString(end) + `,"text":"the end"}`)
			one.ClosedAfter(transport.Replaced)
		})
	})
}
