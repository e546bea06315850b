package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/internal/wire"
)

// refused is an error as a person reads it.
type refused struct {
	Type, Channel, Code, Message string
	Ref                          uint64
}

// words collects the codes that were refused with words.
type words struct {
	t    *testing.T
	seen map[string]bool
}

// of expects that the frame is refused with the code, and that the text has the phrases.
func (w words) of(peer *stage.Raw, frame string, code *lectern.Error, phrases ...string) {
	w.t.Helper()
	var got refused
	require.NoError(w.t, json.Unmarshal([]byte(peer.Answer(frame)), &got), frame)
	require.Equal(w.t, []string{"error", string(code.Code)}, []string{got.Type, got.Code}, "%.200s: %s", frame, got.Message)
	require.NotEmpty(w.t, phrases)
	for _, phrase := range phrases {
		require.Contains(w.t, got.Message, phrase, "%.200s", frame)
	}
	require.NotContains(w.t, got.Message, "{", "every name is filled in: %s", frame)
	require.Less(w.t, len(got.Message)+len(got.Channel), 600, "however long the names are")
	w.seen[got.Code] = true
}

// A person who types frames learns from each refusal which field or name is wrong, and what
// to do. Every code is refused with, on each of its ways.
func TestEveryRefusalHasWords(t *testing.T) {
	w := words{t, make(map[string]bool)}
	ctx := context.Background()

	t.Run("names and roles", func(t *testing.T) {
		stage.InBubble(t, lectern.Policy{MaxHandshakeBytes: -1}, func(t *testing.T, s *stage.Stage) {
			w.t = t
			alice, one := s.Pair()
			bob := s.Raw()
			channel, err := s.User().Create(ctx, "other", "carol")
			require.NoError(t, err)

			w.of(bob, `{"ref":"4"}`, lectern.ErrBadFrame, "ref: ", "1 to 2^53", "without quotes")
			w.of(bob, `{"type":"ping","ref":1} {}`, lectern.ErrBadFrame, "byte 25")
			bob.Send(`{"type":"ping"}`) // three malformed frames in a row end a connection
			bob.Expect(`{"type":"pong"}`)
			w.of(bob, `{"type":"join","channel":"abc123"}`, lectern.ErrBadFrame, "username: ", "missing")
			w.of(bob, `{"type":"joined","channel":"abc123","username":"x","resume":"x","master":{"username":"a","state":"online"}}`, lectern.ErrBadFrame, "joined", "hubs")
			w.of(bob, `{"type":"jion","ref":1,"channel":"abc123"}`, lectern.ErrUnsupported, "type")

			ada := s.Raw()
			ada.Send(`{"type":"join","ref":2,"channel":"abc123","username":"ada","instance":"A"}`, `{"type":"ping","channel":"abc123"}`)
			ada.Expect(strings.NewReplacer("user_one", "ada", `"ref":1`, `"ref":2`).Replace(stage.OneJoined))
			alice.Expect(stage.Online("ada", 2))
			synctest.Wait() // the ping, which is not answered, may be on its way to another hub
			late := `{"type":"resume","ref":1,"channel":"abc123","username":"ada","resume":"` + ada.Secret + `","epoch":1,"instance":"A"}`
			w.of(bob, late, lectern.ErrReplaced, "another connection since")

			w.of(bob, `{"type":"join","ref":1,"channel":"nowhere","username":"bob"}`, lectern.ErrNoSuchChannel, `"nowhere"`, "create")
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"user_one"}`, lectern.ErrNameTaken, `"user_one"`, `"abc123"`, "another")
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"alice"}`, lectern.ErrNameTaken, `"alice"`)
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"bob","master":"dora"}`, lectern.ErrWrongMaster, `"dora"`, `"abc123"`)
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"alice\u3164"}`, lectern.ErrBadName, "username: ", "U+3164", "character 6")
			w.of(bob, `{"type":"join","ref":1,"channel":"","username":"bob"}`, lectern.ErrBadName, "channel: ", "empty")
			w.of(bob, `{"type":"create","ref":1,"channel":" abc","username":"bob"}`, lectern.ErrBadName, "channel: ", "space")
			w.of(bob, `{"type":"status","ref":1,"channel":"\u0000"}`, lectern.ErrBadName, "channel: ", "U+0000")
			w.of(bob, `{"type":"resume","ref":1,"channel":"abc123","username":"","resume":"x"}`, lectern.ErrBadName, "username: ", "empty")
			w.of(bob, `{"type":"resume","ref":1,"channel":"\u3164","username":"bob","resume":"x"}`, lectern.ErrBadName, "channel: ", "U+3164")
			w.of(bob, `{"type":"create","ref":1,"channel":"abc123","username":"bob"}`, lectern.ErrChannelExists, `"abc123"`, "join")
			w.of(bob, `{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":"wrong"}`, lectern.ErrResumeFailed, `"user_one"`, `"abc123"`, "join")
			w.of(bob, `{"type":"resume","ref":1,"channel":"nowhere","username":"bob","resume":"x"}`, lectern.ErrResumeFailed, `"bob"`, `"nowhere"`)
			other, err := lectern.NewHub(lectern.Policy{})
			require.NoError(t, err)
			elsewhere, err := other.Create(ctx, "elsewhere", "bob")
			require.NoError(t, err)
			w.of(bob, `{"type":"resume","ref":1,"channel":"elsewhere","username":"bob","resume":"`+elsewhere.Ticket().Secret+`"}`, lectern.ErrHubLost, `"elsewhere"`, "gone", "create")
			require.NoError(t, other.Close())
			w.of(bob, `{"type":"send","ref":1,"channel":"abc123","text":"x"}`, lectern.ErrNotAMember, `"abc123"`, "join")
			w.of(bob, `{"type":"leave","ref":1,"channel":"abc123"}`, lectern.ErrNotAMember, `"abc123"`)
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"bob","from":"elsewhere"}`, lectern.ErrNotAMember, `"elsewhere"`)

			w.of(one, `{"type":"send","ref":2,"channel":"abc123","to":"alice","text":"x"}`, lectern.ErrForbidden, "to: ", "master")
			w.of(one, `{"type":"members","ref":3,"channel":"abc123"}`, lectern.ErrForbidden, "members", `"abc123"`, "master")
			w.of(one, `{"type":"join","ref":4,"channel":"abc123","username":"other"}`, lectern.ErrForbidden, `"abc123"`, "another name", "leave")
			w.of(one, `{"type":"join","ref":4,"channel":"abc123","username":"user_one","from":"abc123"}`, lectern.ErrBadFrame, "from: ")
			w.of(one, `{"type":"send","ref":5,"channel":"abc123","reply":77,"text":"x"}`, lectern.ErrNoSuchRequest, "77", `"abc123"`)
			w.of(one, `{"type":"withdraw","ref":6,"channel":"abc123","request":78}`, lectern.ErrNoSuchRequest, "78")
			w.of(one, `{"type":"send","ref":1,"channel":"abc123","text":"x"}`, lectern.ErrBadFrame, "ref: ")

			w.of(alice, `{"type":"join","ref":2,"channel":"other","username":"alice","from":"abc123"}`, lectern.ErrForbidden, "from: ", "master", `"abc123"`)
			w.of(alice, `{"type":"send","ref":3,"channel":"abc123","to":"nobody","text":"x"}`, lectern.ErrNoSuchSlave, `"nobody"`, `"abc123"`)
			w.of(alice, `{"type":"send","ref":3,"channel":"abc123","to":"nobody","text":"x"}`, lectern.ErrNoSuchSlave, `"nobody"`) // the answer that is remembered
			w.of(alice, `{"type":"kick","ref":4,"channel":"abc123","to":"nobody"}`, lectern.ErrNoSuchSlave, `"nobody"`)
			w.of(alice, `{"type":"kick","ref":4,"channel":"abc123","to":"\u3164","ban":true}`, lectern.ErrBadName, "to: ", "U+3164")
			w.of(alice, `{"type":"send","ref":5,"channel":"abc123","reply":9,"text":"x"}`, lectern.ErrNoSuchRequest, "to: ")
			w.of(alice, `{"type":"send","ref":6,"channel":"abc123","to":"user_one","reply":9,"text":"x"}`, lectern.ErrNoSuchRequest, "9")
			w.of(alice, `{"type":"send","ref":7,"channel":"abc123","text":"`+strings.Repeat("x", 70_000)+`"}`, lectern.ErrTooLarge, "65536")
			alice.Send(`{"type":"kick","ref":8,"channel":"abc123","to":"user_two","ban":true}`)
			alice.Expect(`{"type":"ack","ref":8}`)
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"user_two"}`, lectern.ErrBanned, `"user_two"`, `"abc123"`)
			w.of(alice, `{"type":"mute","ref":9,"channel":"abc123","to":"nobody","on":true}`, lectern.ErrNoSuchSlave, `"nobody"`, `"abc123"`)
			alice.Send(`{"type":"mute","ref":10,"channel":"abc123","on":true}`)
			alice.Expect(`{"type":"ack","ref":10}`)
			one.Expect(`{"type":"muted","channel":"abc123","on":true}`)
			w.of(one, `{"type":"send","ref":7,"channel":"abc123","text":"x"}`, lectern.ErrMuted, `"abc123"`, "master", "answer")

			w.of(alice, `{"type":"hand_over","ref":11,"channel":"abc123","to":"nobody"}`, lectern.ErrNoSuchSlave, `"nobody"`, `"abc123"`)
			w.of(one, `{"type":"hand_over","ref":11,"channel":"abc123","to":"nobody"}`, lectern.ErrForbidden, "hand_over", `"abc123"`, "master")

			long := strings.Repeat("x", 100_000)
			for _, frame := range []string{
				`{"type":"join","ref":1,"channel":"%s","username":"bob"}`, `{"type":"join","ref":1,"channel":"abc123","username":"%s"}`,
				`{"type":"status","ref":1,"channel":"%s"}`, `{"type":"resume","ref":1,"channel":"%s","username":"bob","resume":"x"}`,
			} {
				w.of(bob, fmt.Sprintf(frame, long), lectern.ErrBadName, "100000 bytes")
			}
			w.of(bob, `{"type":"leave","ref":1,"channel":"`+long+`"}`, lectern.ErrNotAMember, "100000 bytes")
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"bob","master":"`+long+`"}`, lectern.ErrWrongMaster, "100000 bytes")
			w.of(alice, `{"type":"kick","ref":9,"channel":"abc123","to":"`+long+`"}`, lectern.ErrNoSuchSlave, "100000 bytes")
			alice.Send(`{"type":"hand_over","ref":12,"channel":"abc123","to":"user_one"}`)
			alice.Expect(`{"type":"ack","ref":12}`)
			_, err = one.Read() // a created
			require.NoError(t, err)
			w.of(one, `{"type":"send","ref":12,"channel":"abc123","text":"x"}`, lectern.ErrRoleChanged, `"abc123"`, "send", "handed over")
			require.NoError(t, channel.Close())
		})
	})

	t.Run("limits", func(t *testing.T) {
		stage.OneHub(t, "the number of channels is bounded for each hub")
		policy := lectern.Policy{
			MaxSlaves: 1, MaxChannels: 2, MaxChannelsPerConnection: 1, SlaveMessageRate: lectern.RateLimit{PerSecond: 1, Burst: 40},
			FrameRate: lectern.RateLimit{PerSecond: 10, Burst: 100}, MembershipRate: lectern.RateLimit{PerSecond: 3, Burst: 5},
			MaxHandshakeBytes: 1 << 20,
		}
		stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
			w.t = t
			alice, one := s.Pair()
			bob, carol := s.Raw(), s.Raw()
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"bob"}`, lectern.ErrChannelFull, `"abc123"`, "again")
			alice.Send(`{"type":"kick","ref":2,"channel":"abc123","to":"x","ban":true}`)
			alice.Expect(`{"type":"ack","ref":2}`)
			w.of(alice, `{"type":"kick","ref":3,"channel":"abc123","to":"y","ban":true}`, lectern.ErrChannelFull, "banned")
			bob.Send(`{"type":"create","ref":1,"channel":"xyz","username":"bob"}`)
			_, err := bob.Read()
			require.NoError(t, err)
			w.of(bob, `{"type":"create","ref":2,"channel":"more","username":"bob"}`, lectern.ErrTooManyChannels, "this connection", "leave")
			w.of(carol, `{"type":"create","ref":1,"channel":"more","username":"carol"}`, lectern.ErrTooManyChannels, "the hub", "again")

			for ref := 2; ref < 34; ref++ {
				one.Answer(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","request":true,"text":"x"}`, ref))
			}
			w.of(one, `{"type":"send","ref":40,"channel":"abc123","request":true,"text":"x"}`, lectern.ErrBusy, "requests", "withdraw")
			for n := range 8 {
				one.Answer(fmt.Sprintf(`{"type":"set","ref":%d,"channel":"abc123","key":"%d","text":"x"}`, 41+n, n))
			}
			w.of(one, `{"type":"set","ref":49,"channel":"abc123","key":"one more","text":"x"}`, lectern.ErrAttributesFull, "at most 8 attributes", "remove one")
			for ref := 50; ref < 57; ref++ {
				one.Answer(fmt.Sprintf(`{"type":"send","ref":%d,"channel":"abc123","text":"x"}`, ref))
			}
			w.of(one, `{"type":"send","ref":57,"channel":"abc123","text":"x"}`, lectern.ErrRateLimited, "messages of a slave", "1 a second", "new ref")
			for range 4 {
				carol.Answer(`{"type":"join","ref":1,"channel":"nowhere","username":"x"}`)
			}
			w.of(carol, `{"type":"join","ref":1,"channel":"nowhere","username":"x"}`, lectern.ErrRateLimited, "join", "3 a second")
			dora := s.Raw()
			for range 100 {
				dora.Answer(`{"type":"ping"}`)
			}
			w.of(dora, `{"type":"status","channel":"abc123"}`, lectern.ErrRateLimited, "frames", "10 a second")
			w.of(dora, `{"type":"nope"}`, lectern.ErrRateLimited, "frames")
		})
	})

	t.Run("the door", func(t *testing.T) {
		stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			w.t = t
			alice, _ := s.Pair()
			bob := s.Raw()
			alice.Answer(`{"type":"door","ref":2,"channel":"abc123","door":"locked"}`)
			w.of(bob, `{"type":"join","ref":1,"channel":"abc123","username":"bob"}`, lectern.ErrLocked, "door", `"abc123"`)
			alice.Answer(`{"type":"door","ref":3,"channel":"abc123","door":"knock"}`)
			bob.Answer(`{"type":"join","ref":2,"channel":"abc123","username":"bob"}`)
			synctest.Wait()
			_, err := alice.Read() // the knock
			require.NoError(t, err)
			alice.Answer(`{"type":"deny","ref":4,"channel":"abc123","knock":1}`)
			synctest.Wait()
			w.of(bob, `{"type":"ping","ref":3}`, lectern.ErrDenied, `"bob"`, `"abc123"`)
			_, err = alice.Read() // that it is over
			require.NoError(t, err)
			w.of(alice, `{"type":"admit","ref":5,"channel":"abc123","knock":1}`, lectern.ErrNoSuchSlave, "knock: ", "1")
		})
	})

	t.Run("a service that says nothing", func(t *testing.T) {
		answers := map[string]error{
			"plain": fmt.Errorf("the database is down"), "sentinel": lectern.ErrNoSuchChannel, "own": &lectern.Error{Code: "quota"},
		}
		policy := lectern.Policy{Authorize: func(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
			if r.Token == "panic" {
				panic("out of order")
			}
			return lectern.Identity{Username: strings.TrimPrefix(r.Token, "name "), AsAsked: true}, answers[r.Token]
		}}
		stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
			w.t = t
			bob := s.Raw()
			join := func(username, token string) string {
				return `{"type":"join","ref":1,"channel":"abc123","username":"` + username + `","token":"` + token + `"}`
			}
			w.of(bob, join("bob", "plain"), lectern.ErrUnauthorized, `"bob"`, "join", `"abc123"`)
			w.of(bob, join("bob", "panic"), lectern.ErrUnauthorized, `"bob"`)
			w.of(bob, join("bob", "name \u3164"), lectern.ErrUnauthorized, "service", "username")
			w.of(bob, join("", ""), lectern.ErrBadName, "username: ", "empty")
			w.of(bob, join("bob", "own"), &lectern.Error{Code: "quota"}, "join", `"abc123"`)
			// Where a service hides a channel, it is told as one that is not there.
			require.Equal(t, bob.Answer(join("bob", "")), bob.Answer(join("bob", "sentinel")))
		})
	})

	t.Run("a service that takes long", func(t *testing.T) {
		policy := lectern.Policy{AuthorizeMessage: func(context.Context, lectern.Sender, lectern.OutgoingMessage) error {
			time.Sleep(time.Second)
			return nil
		}}
		stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
			w.t = t
			alice, _ := s.Pair()
			w.of(alice, `{"type":"send","ref":2,"channel":"abc123","expires_ms":1000,"text":"x"}`, lectern.ErrTooLate, "time", "over")
			require.Equal(t, `{"type":"ack","ref":3,"seq":1,"slaves":1}`, alice.Answer(`{"type":"send","ref":3,"channel":"abc123","expires_ms":1001,"text":"x"}`))
		})
	})

	t.Run("the end of the hub", func(t *testing.T) {
		stage.OneHub(t, "it is one hub that ends")
		stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			w.t = t
			for range 20 {
				s.Raw() // they are closed before
			}
			synctest.Wait()
			alice := s.Raw()
			alice.Send(stage.AliceCreates)
			alice.Expect(stage.AliceCreated)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			done := make(chan error)
			go func() { done <- s.Hub.Shutdown(ctx) }()
			synctest.Wait()
			alice.Expect(`{"type":"shutdown","timeout_ms":210}`)
			w.of(alice, `{"type":"send","ref":9,"channel":"abc123","text":"x"}`, lectern.ErrShuttingDown, "stops", "connect")
			require.NoError(t, <-done)
		})
	})

	for _, code := range wire.Codes() {
		if code.Is(wire.Refuses) {
			require.True(t, w.seen[string(code.Code)], "no refusal with %s was read", code.Code)
			require.NotEmpty(t, code.Words, "the list has words for %s", code.Code)
		}
	}
}
