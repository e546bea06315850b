package socketio

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// What a client says as it connects is the frame by which it enters.
func TestConnecting(t *testing.T) {
	for _, c := range []struct{ name, query, auth, frame string }{
		{"slave", "", `{"channel":"c","username":"bob","token":"t","master":"alice"}`,
			`{"type":"join","ref":1,"channel":"c","username":"bob","master":"alice","token":"t"}`},
		{"master", "", `{"channel":"c","username":"alice","role":"master","master_timeout_ms":5,"door":"knock"}`,
			`{"type":"create","ref":1,"channel":"c","username":"alice","master_timeout_ms":5,"door":"knock"}`},
		{"by a secret", "", `{"channel":"c","username":"bob","resume":"s","last":4}`,
			`{"type":"resume","ref":1,"channel":"c","username":"bob","resume":"s","last":4}`},
		{"by the query", "&channel=c&username=b%C3%B6b&last=4&token=t", ``, `{"type":"join","ref":1,"channel":"c","username":"böb","token":"t"}`},
		{"auth before the query", "&channel=c&username=eve", `{"username":"bob"}`, `{"type":"join","ref":1,"channel":"c","username":"bob"}`},
		{"what is the adapter's own", "", `{"channel":"c","username":"bob","type":"kick","ref":77,"pid":"x","offset":"y"}`,
			`{"type":"join","ref":1,"channel":"c","username":"bob"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newFakeHub()
				s := newSite(t, hub, Options{})
				near := s.dial(t, "websocket", "4", c.query)
				near.say("0" + c.auth)
				require.Equal(t, canonical(t, c.frame), <-(<-hub.conns).frames)
			})
		})
	}
}

// A client of version 3 is connected by the server, by what its query says.
func TestConnectingOfVersion3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{EIO3: true})
		near := s.dial(t, "websocket", "3", "&channel=c&username=bob")
		far := <-hub.conns
		require.Equal(t, `{"type":"join","ref":1,"channel":"c","username":"bob"}`, <-far.frames)
		far.say(t, joinedFrame)
		near.hear("0", joinedEvent)
		far.say(t, `{"type":"message","channel":"c","from":"alice","seq":1,"base64":"AP8="}`)
		require.Contains(t, near.next(), `51-["message"`)
		near.hear("#0400ff")
		near.say(`51-["message",{"_placeholder":true,"num":0}]`, "#040102")
		require.Equal(t, `{"type":"send","channel":"c","base64":"AQI="}`, <-far.frames)
	})
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{EIO3: true})
		near := s.dial(t, "websocket", "3", "&channel=c&username=bob")
		far := <-hub.conns
		<-far.frames
		far.say(t, `{"type":"error","ref":1,"channel":"c","code":"banned","message":"no"}`)
		near.hear(`4"banned: no"`)
	})
}

// Without a name a client is a guest, and without a channel its socket is connected all the same.
func TestGuests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near := s.dial(t, "websocket", "4", "")
		near.connect("")
		near.say(`2["channel","abc123"]`)
		frame := <-(<-hub.conns).frames
		require.Regexp(t, `"username":"guest-.{8}"`, frame)
	})
}

func TestRefusedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near := s.dial(t, "websocket", "4", "")
		far := <-hub.conns
		near.say(`0{"channel":"c","username":"bob"}`)
		<-far.frames
		far.say(t, `{"type":"error","ref":1,"channel":"c","code":"no_such_channel","message":"nobody"}`)
		near.hear(`4{"message":"no_such_channel","data":{"code":"no_such_channel","message":"nobody","channel":"c"}}`)
		for _, auth := range []string{`{"channel":5}`, `{"channel":"c","username":"bob","wait":"yes"}`, `{"session":"short"}`} {
			near.say("0" + auth)
			require.Contains(t, near.next(), `4{"message":"bad_frame"`, auth)
		}
		near.connect("") // it may try again
	})
	for _, auth := range []string{`[]`, `{"a":`, `5`} {
		synctest.Test(t, func(t *testing.T) {
			hub := newFakeHub()
			s := newSite(t, hub, Options{})
			near := s.dial(t, "websocket", "4", "")
			near.say("0" + auth)
			near.hearEnd()
			require.ErrorIs(t, <-(<-hub.conns).ended, transport.ErrProtocol)
		})
	}
}

// A join that waits connects the socket: its user can be told for what it waits.
func TestConnectingAtADoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near := s.dial(t, "websocket", "4", "")
		far := <-hub.conns
		near.say(`0{"channel":"c","username":"bob"}`)
		<-far.frames
		far.say(t, `{"type":"waiting","ref":1,"channel":"c","for":"door"}`)
		require.True(t, strings.HasPrefix(near.next(), `0{"sid"`))
		near.hear(`2["waiting",{"channel":"c","for":"door"}]`)
		far.say(t, joinedFrame)
		near.hear(joinedEvent)
	})
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near, far := member(t, hub, s, "websocket", false)
		near.say(`27["join","d"]`)
		<-far.frames
		far.say(t, `{"type":"waiting","ref":23,"channel":"d","for":"door"}`)
		near.hear(`2["waiting",{"channel":"d","for":"door"}]`)
		far.say(t, `{"type":"left","ref":23,"channel":"d"}`)
		near.hear(`37[{"ok":false,"error":"left","message":"","channel":"d"}]`)
	})
}

// A client that comes back by Socket.IO's recovery takes its seats along, from where it is.
func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near := s.dial(t, "websocket", "4", "")
		far := <-hub.conns
		near.say(`0{"channel":"c","username":"bob","token":"t"}`)
		<-far.frames
		far.say(t, joinedFrame)
		pid := pidOf(t, near.next())
		near.hear(joinedEvent)
		far.say(t, `{"type":"message","channel":"c","from":"alice","seq":5,"text":"x"}`)
		near.hear(`2["message","x",{"from":"alice","seq":5,"channel":"c"},"5@c"]`)

		// The first connection is half open: the second one takes the seats all the same.
		again := s.dial(t, "websocket", "4", "")
		farAgain := <-hub.conns
		again.say(`0{"pid":"` + pid + `","offset":"5@c","channel":"c","username":"bob","token":"u"}`)
		require.Equal(t, `{"type":"resume","ref":1,"channel":"c","username":"bob","token":"u","resume":"s","epoch":1,"last":5}`, <-farAgain.frames)
		farAgain.say(t, strings.Replace(joinedFrame, `"epoch":1`, `"epoch":2`, 1))
		require.Equal(t, pid, pidOf(t, again.next()), "so the client knows that it has recovered")
		again.hearEvent("joined")
		near.close()
		again.close()

		// It is over by now: the client connects as it says, and knows that it has missed something.
		third := s.dial(t, "websocket", "4", "")
		farThird := <-hub.conns
		third.say(`0{"pid":"` + pid + `","channel":"c","username":"bob"}`)
		require.Contains(t, <-farThird.frames, `"epoch":2`)
		farThird.say(t, `{"type":"error","ref":1,"channel":"c","code":"resume_failed","message":"over"}`)
		require.Equal(t, `{"type":"join","ref":1,"channel":"c","username":"bob"}`, <-farThird.frames)
		farThird.say(t, joinedFrame)
		require.NotEqual(t, pid, pidOf(t, third.next()))
		third.hearEvent("joined")
	})
}

func pidOf(t *testing.T, packet string) string {
	t.Helper()
	_, rest, ok := strings.Cut(packet, `"pid":"`)
	require.True(t, ok, packet)
	pid, _, _ := strings.Cut(rest, `"`)
	return pid
}

// A client without recovery comes back by a session, from what was written to it last.
func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{MaxDisconnection: time.Minute})
		enter := func() (*client, *fakeConn, string) {
			near := s.dial(t, "websocket", "4", "&session=0123456789abcdef")
			far := <-hub.conns
			near.say(`0{"channel":"c","username":"bob"}`)
			frame := <-far.frames
			far.say(t, joinedFrame)
			near.next()
			near.hearEvent("joined")
			return near, far, frame
		}
		near, far, frame := enter()
		require.Contains(t, frame, `"join"`)
		far.say(t, `{"type":"message","channel":"c","from":"alice","seq":5,"text":"x"}`)
		near.next()
		near.close()
		<-far.ended
		near, _, frame = enter()
		require.Equal(t, `{"type":"resume","ref":1,"channel":"c","username":"bob","resume":"s","epoch":1,"last":5}`, frame)
		near.close()
		time.Sleep(time.Minute)
		_, _, frame = enter()
		require.Contains(t, frame, `"join"`, "its time is over")
	})
}

// A socket with several channels has an offset with a part for each, and those that are lost are
// told.
func TestSeveralChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near := s.dial(t, "websocket", "4", "")
		far := <-hub.conns
		near.say(`0{"channel":"c","username":"bob"}`)
		<-far.frames
		far.say(t, joinedFrame)
		pid := pidOf(t, near.next())
		near.hearEvent("joined")
		second := strings.NewReplacer(`"channel":"c"`, `"channel":"d"`, `"resume":"s"`, `"resume":"z"`, `"ref":1,`, ``).Replace(joinedFrame)
		far.say(t, second, `{"type":"message","channel":"c","from":"alice","seq":5,"text":"x"}`, `{"type":"message","channel":"d","from":"carol","seq":9,"request":9,"text":"?"}`,
			`{"type":"message","channel":"c","from":"alice","seq":9,"request":9,"text":"?"}`)
		near.hearEvent("joined")
		near.hear(`2["message","x",{"from":"alice","seq":5,"channel":"c"},"5@c\n0@d"]`)
		near.hear(`29["request","?",{"from":"carol","seq":9,"channel":"d"}]`)
		other := near.next()
		require.Regexp(t, `^2\d{10,}\["request"`, other, "the number is another's")
		id := other[1:strings.IndexByte(other, '[')]
		near.say(`3`+id+`["c"]`, `39["d"]`)
		require.Equal(t, `{"type":"send","channel":"c","reply":9,"text":"c"}`, <-far.frames)
		require.Equal(t, `{"type":"send","channel":"d","reply":9,"text":"d"}`, <-far.frames)
		near.close()

		again := s.dial(t, "websocket", "4", "")
		farAgain := <-hub.conns
		again.say(`0{"pid":"` + pid + `","offset":"5@c\n7@d"}`)
		require.Contains(t, <-farAgain.frames, `"channel":"c","username":"bob","resume":"s","epoch":1,"last":5}`)
		require.Contains(t, <-farAgain.frames, `"channel":"d","username":"bob","resume":"z","epoch":1,"last":7}`)
		farAgain.say(t, `{"type":"error","ref":1,"channel":"c","code":"resume_failed","message":"over"}`, strings.Replace(second, `"joined",`, `"joined","ref":2,`, 1))
		require.Equal(t, pid, pidOf(t, again.next()))
		again.hearEvent("joined")
		again.hear(`2["closed",{"channel":"c","code":"resume_failed","reason":"over"}]`)
		again.close()

		// And those that are lost behind one that could be resumed.
		third := s.dial(t, "websocket", "4", "")
		farThird := <-hub.conns
		third.say(`0{"pid":"` + pid + `","offset":"7@d"}`)
		require.Contains(t, <-farThird.frames, `"channel":"d"`)
		farThird.say(t, strings.Replace(second, `"joined",`, `"joined","ref":1,`, 1))
		third.next()
		third.hearEvent("joined")
		farThird.say(t, `{"type":"error","ref":1,"channel":"d","code":"resume_failed","message":"over"}`)
		third.hear(`2["closed",{"channel":"d","code":"resume_failed","reason":"over"}]`)
	})
}

// Records are dropped with what they are for, and when their time is over.
func TestRecordsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecords(time.Minute)
		with, without := &conn{state: state{seats: []seat{{channel: "c"}}}}, &conn{}
		with.record = r.begin(with, "", "a session of some length")
		without.record = r.begin(without, "", "")
		require.Len(t, r.byPID, 2)
		r.lose(without)
		r.lose(with)
		require.Len(t, r.byPID, 1)
		require.Equal(t, 1, r.count)
		time.Sleep(time.Minute)
		_, found := r.claim(with.record.pid, "")
		require.Nil(t, found)
		require.Empty(t, r.byPID)
		require.Empty(t, r.bySession)
		require.Zero(t, r.count)

		first := &conn{state: state{seats: []seat{{channel: "c"}}}}
		first.record = r.begin(first, "", "session")
		pid := first.record.pid
		seats, found := r.claim("", "session")
		require.NotNil(t, found)
		require.Equal(t, first.seats, seats)
		require.Nil(t, first.record, "it is not the old one's any more")
		r.lose(first)
		require.Empty(t, r.byPID)
		_, found = r.claim(pid, "session")
		require.Nil(t, found)
	})
}
