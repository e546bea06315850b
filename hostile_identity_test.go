package lectern_test

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
		inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			_, one := s.pair()
			bob := s.stranger()
			guesser := s.raw()
			const refusal = `{"type":"error","channel":"abc123","code":"resume_failed"}`
			for i := range 22 {
				last := "A"
				if one.secret[i] == 'A' {
					last = "B"
				}
				guess := one.secret[:i] + last + one.secret[i+1:] // right but for one
				require.Equal(t, refusal, guesser.answer(resumeFrame("abc123", "user_one", guess, "")))
			}
			for _, frame := range []string{
				resumeFrame("abc123", "user_one", "", ""), resumeFrame("abc123", "user_one", strings.Repeat("A", 1000), ""),
				resumeFrame("abc123", "nobody", one.secret, ""), resumeFrame("abc123", "alice", one.secret, ""),
			} {
				require.Equal(t, refusal, guesser.answer(frame))
			}
			require.Equal(t, strings.Replace(refusal, "abc123", "nowhere", 1), guesser.answer(resumeFrame("nowhere", "user_one", one.secret, "")))

			guesses, end := 0, error(nil)
			for ; end == nil; guesses++ {
				if end = guesser.conn.Write([]byte(resumeFrame("abc123", "user_one", fmt.Sprintf("%022d", guesses), ""))); end == nil {
					_, end = guesser.read()
				}
				require.Less(t, guesses, 1000)
			}
			one.send(`{"type":"ping","ref":2}`)
			one.expect(`{"type":"pong","ref":2}`) // and nobody was replaced
			bob.send(`{"type":"ping","ref":2}`)
			bob.expect(`{"type":"pong","ref":2}`)
		})
	})

	// While several take one membership over at the same time, its master goes
	// on sending. Whoever has it in the end has got everything, once and in
	// order; the others a part from the beginning on, without a hole.
	t.Run("G3", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			const contenders, count = 5, 100
			master := s.user().create("abc123", "alice")
			ticket := s.user().join("abc123", "user_one").Ticket()
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := range count {
					if _, err := master.Broadcast(within(t), lectern.Text(fmt.Sprint(i))); err != nil {
						t.Errorf("Broadcast: %v", err)
					}
				}
			})
			got := make([]int, contenders)
			slaves := make([]*lectern.Slave, contenders)
			for i := range contenders {
				u := s.user()
				wg.Go(func() {
					slave, err := u.ResumeSlave(within(t), ticket)
					for err == nil && got[i] < count {
						var message lectern.Message
						if message, err = slave.Receive(within(t)); err == nil {
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
			broadcast(t, master, "the end")
			holders := 0
			for i, slave := range slaves {
				require.NotNil(t, slave)
				message, err := slave.Receive(within(t))
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
		inVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			master := s.user().create("abc123", "alice")
			one := s.user()
			ghost := one.join("abc123", "user_one")
			nextPresence(t, master, "user_one", lectern.Online)
			broadcast(t, master, "taken")
			receive(t, ghost, "taken")
			one.bar(true)
			one.plug().Silence()
			for i := range 5 {
				broadcast(t, master, fmt.Sprint("lost ", i))
			}
			_, err := s.user().Join(within(t), "abc123", "user_one")
			require.ErrorIs(t, err, lectern.ErrNameTaken)
			began := time.Now()
			slave, err := s.user().ResumeSlave(within(t), ghost.Ticket())
			require.NoError(t, err)
			require.Equal(t, began, time.Now())
			receive(t, slave, "lost 0", "lost 1", "lost 2", "lost 3", "lost 4")
			say(t, slave, "here again")
			nextText(t, master, "here again") // it was never away
			one.bar(false)
			time.Sleep(time.Minute)
		})
	})

	// A number that the hub never gave, in this channel or in any.
	t.Run("G6", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			alice.send(`{"type":"send","channel":"abc123","text":"hello"}`)
			one.expect(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"hello"}`)
			for last, code := range map[string]*lectern.Error{
				"2": lectern.ErrResumeFailed, "9007199254740992": lectern.ErrResumeFailed,
				"-1": lectern.ErrBadFrame, "9007199254740993": lectern.ErrBadFrame, "18446744073709551615": lectern.ErrBadFrame,
				"18446744073709551616": lectern.ErrBadFrame, "1.5": lectern.ErrBadFrame, "1e400": lectern.ErrBadFrame, `"1"`: lectern.ErrBadFrame,
			} {
				s.raw().refused(resumeFrame("abc123", "user_one", one.secret, `,"last":`+last), code)
			}
			// A number of the master's direction is none of the slaves'.
			s.raw().refused(resumeFrame("abc123", "alice", alice.secret, `,"last":1`), lectern.ErrResumeFailed)

			// Nor does one that was right in an earlier channel of the name count.
			alice.send(`{"type":"leave","channel":"abc123"}`)
			alice.expect(`{"type":"left","channel":"abc123"}`)
			one.expect(`{"type":"closed","channel":"abc123","code":"master_left"}`)
			_, next := s.pair()
			s.raw().refused(resumeFrame("abc123", "user_one", next.secret, `,"last":1`), lectern.ErrResumeFailed)
			next.send(`{"type":"ping"}`)
			next.expect(`{"type":"pong"}`)
		})
	})

	// A membership that is over does not come back, however it ended, nor does
	// its secret open the next one of the name.
	t.Run("G7", func(t *testing.T) {
		expired := func(t *testing.T, s *stage, _ *lectern.Master, one *user, slave *lectern.Slave) {
			one.cutOff()
			time.Sleep(10 * time.Second) // SlaveTimeout, to the instant
		}
		ends := []struct {
			name   string
			end    func(t *testing.T, s *stage, master *lectern.Master, one *user, slave *lectern.Slave)
			banned bool
		}{
			{name: "expired", end: expired},
			{name: "kicked", end: func(t *testing.T, _ *stage, master *lectern.Master, _ *user, slave *lectern.Slave) {
				require.NoError(t, master.Kick(within(t), "user_one", ""))
			}},
			{name: "kicked while away", end: func(t *testing.T, _ *stage, master *lectern.Master, one *user, _ *lectern.Slave) {
				one.cutOff()
				synctest.Wait()
				require.NoError(t, master.Kick(within(t), "user_one", ""))
			}},
			{name: "banned", banned: true, end: func(t *testing.T, _ *stage, master *lectern.Master, _ *user, _ *lectern.Slave) {
				require.NoError(t, master.Ban(within(t), "user_one", ""))
			}},
			{name: "left", end: func(t *testing.T, _ *stage, _ *lectern.Master, _ *user, slave *lectern.Slave) {
				require.NoError(t, slave.Close())
			}},
			{name: "closed by its master", end: func(t *testing.T, _ *stage, master *lectern.Master, _ *user, _ *lectern.Slave) {
				require.NoError(t, master.Close())
			}},
			{name: "closed by the service", end: func(t *testing.T, s *stage, _ *lectern.Master, _ *user, _ *lectern.Slave) {
				channel, _ := s.hub.Channel("abc123")
				require.NoError(t, channel.Close(""))
			}},
		}
		for _, c := range ends {
			t.Run(c.name, func(t *testing.T) {
				inVirtualTime(t, lectern.Policy{SlaveTimeout: 10 * time.Second}, func(t *testing.T, s *stage) {
					master, one := s.user().create("abc123", "alice"), s.user()
					slave := one.join("abc123", "user_one")
					tickets := []lectern.Ticket{slave.Ticket(), master.Ticket()}
					c.end(t, s, master, one, slave)
					_, err := s.user().ResumeSlave(within(t), tickets[0])
					require.ErrorIs(t, err, lectern.ErrResumeFailed)

					// In the next channel of the name it opens nothing either.
					_ = master.Close()
					master = s.user().create("abc123", "alice")
					slave = s.user().join("abc123", "user_one")
					_, err = s.user().ResumeSlave(within(t), tickets[0])
					require.ErrorIs(t, err, lectern.ErrResumeFailed)
					_, err = s.user().ResumeMaster(within(t), tickets[1])
					require.ErrorIs(t, err, lectern.ErrResumeFailed)
					broadcast(t, master, "nobody was replaced")
					receive(t, slave, "nobody was replaced")
				})
			})
		}
	})

	// No text that the library makes has a token or a secret in it: no error, no
	// word to a peer, no way to print a ticket. The logs are in other tests.
	t.Run("G9", func(t *testing.T) {
		var log lockedBuffer
		loggers := []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))}
		policy := lectern.Policy{Logger: loggers[1], Authorize: func(_ context.Context, r lectern.Request) (lectern.Identity, error) {
			switch {
			case strings.HasPrefix(r.Token, "panic"):
				panic("a mistake of the service")
			case strings.HasPrefix(r.Token, "wrong"):
				return lectern.Identity{}, fmt.Errorf("no: %s", r.Token)
			}
			return lectern.Identity{}, nil
		}}
		inVirtualTime(t, policy, func(t *testing.T, s *stage) {
			master := s.user().create("abc123", "alice", lectern.WithToken("right-token"))
			ticket := master.Ticket()
			var texts []string
			for _, token := range []string{"panic-token", "wrong-token"} {
				_, err := s.user().Create(within(t), "xyz", "bob", lectern.WithToken(token))
				require.ErrorIs(t, err, lectern.ErrUnauthorized)
				texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, err))
			}
			forged := ticket
			forged.Username = "nobody"
			_, err := s.user().ResumeMaster(within(t), forged)
			texts = append(texts, fmt.Sprintf("%v %+v %#v", err, err, err))
			texts = append(texts, fmt.Sprintf("%v %+v %#v %s %q", ticket, ticket, ticket, &ticket, []lectern.Ticket{ticket}))
			for _, logger := range loggers {
				logger.Info("printed", "ticket", ticket, "pointer", &ticket)
			}
			peer := s.raw()
			texts = append(texts, peer.answer(resumeFrame("abc123", "nobody", ticket.Secret, `,"token":"right-token"`)))
			texts = append(texts, peer.answer(`{"type":"create","channel":"abc123","username":"x","token":"right-token","ref":0}`))
			for _, text := range append(texts, log.text()) {
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
		everywhere(t, lectern.Policy{Authorize: signer.Authorize}, func(t *testing.T, s *stage) {
			soon := time.Now().Add(time.Hour).Unix()
			teacher := signer.token(claims{"alice", "master", "abc123", soon})
			pupil := signer.token(claims{"user_one", "slave", "abc123", soon})
			body, mac, _ := strings.Cut(pupil, ".")
			other, _, _ := strings.Cut(teacher, ".")
			for _, token := range []string{pupil, "", body, body + ".", other + "." + mac, pupil + "A", "." + mac} {
				for _, name := range []string{"user_one", "alice"} {
					_, err := s.user().Create(within(t), "abc123", name, lectern.WithToken(token))
					require.ErrorIs(t, err, lectern.ErrUnauthorized)
				}
			}
			_, exists := s.hub.Channel("abc123")
			require.False(t, exists)

			master := s.user().create("abc123", "alice", lectern.WithToken(teacher))
			slave := s.user().join("abc123", "alice", lectern.WithToken(pupil))
			require.Equal(t, "user_one", slave.Username())
			asMaster := slave.Ticket()
			asMaster.Username, asMaster.Master = "alice", true
			_, err := s.user().ResumeMaster(within(t), asMaster)
			require.ErrorIs(t, err, lectern.ErrResumeFailed)
			broadcast(t, master, "still me")
			receive(t, slave, "still me")
		})
	})

	// A message that is sent again after a takeover is known by its ref: it is
	// acknowledged with the number that it had, and is not delivered again.
	t.Run("G14", func(t *testing.T) {
		everywhere(t, lectern.Policy{}, func(t *testing.T, s *stage) {
			alice, one := s.pair()
			send := `{"type":"send","ref":10,"channel":"abc123","request":true,"text":"once"}`
			down := `{"type":"send","ref":10,"channel":"abc123","to":"user_one","text":"once"}`
			one.send(send)
			one.expect(`{"type":"ack","ref":10,"seq":1}`)
			alice.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":1,"request":1,"text":"once"}`)
			alice.send(down)
			alice.expect(`{"type":"ack","ref":10,"seq":1,"slaves":1}`)
			again, master := s.raw(), s.raw()
			again.send(strings.Replace(resumeFrame("abc123", "user_one", one.secret, `,"last":1`), `{`, `{"ref":11,`, 1), send)
			again.expect(strings.Replace(oneJoined, `"ref":1`, `"ref":11`, 1), `{"type":"ack","ref":10,"seq":1}`)
			master.send(strings.Replace(resumeFrame("abc123", "alice", alice.secret, `,"last":1`), `{`, `{"ref":11,`, 1), down)
			got, err := master.read()
			require.NoError(t, err)
			require.Regexp(t, regexp.MustCompile(`^{"type":"created","ref":11,.*"epoch":2,`), got)
			master.expect(`{"type":"ack","ref":10,"seq":1,"slaves":1}`)
			again.send(`{"type":"send","ref":12,"channel":"abc123","text":"the end"}`)
			master.expect(`{"type":"message","channel":"abc123","from":"user_one","seq":2,"text":"the end"}`)
			master.send(`{"type":"send","ref":12,"channel":"abc123","text":"the end"}`)
			again.expect(`{"type":"ack","ref":12,"seq":2}`, `{"type":"message","channel":"abc123","from":"alice","seq":2,"text":"the end"}`)
			one.closedAfter(transport.Replaced)
		})
	})
}

// closedAfter expects the end, whatever is still told before.
func (r *raw) closedAfter(code transport.Code) {
	r.t.Helper()
	for {
		if _, err := r.read(); err != nil {
			var end *transport.CloseError
			require.ErrorAs(r.t, err, &end)
			require.Equal(r.t, code, end.Reason.Code)
			return
		}
	}
}
