package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// FuzzHubBytes sends a hub any bytes as messages: each begins after a byte that
// says how long it is, and the two lowest bits of it on which of the strangers'
// connections it goes. No other channel's members may notice anything of it.
func FuzzHubBytes(f *testing.F) {
	frame := func(connection int, text string) []byte {
		return append([]byte{byte(len(text)>>2<<2 | connection)}, text...)
	}
	pad := func(text string) string { return text + strings.Repeat(" ", 3-(len(text)+3)%4) }
	f.Add([]byte{})
	f.Add(frame(0, pad(`{"type":"create","ref":1,"channel":"c0","username":"u0"}`)))
	f.Add(append(frame(0, pad(`{"type":"create","ref":1,"channel":"c0","username":"u0"}`)),
		frame(1, pad(`{"type":"join","ref":1,"channel":"c0","username":"u1"}`))...))
	f.Add(frame(2, pad(`{"type":"send","channel":"bystanders","text":"let me in"}`)))
	f.Add(frame(3, "\x01\x01\x01\x01\x02\x02c0\x03\x02u0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		amongBystanders(t, func(s *strangers) {
			for range 64 {
				if len(data) == 0 {
					return
				}
				size := min(int(data[0])&^3+1, len(data))
				s.send(int(data[0]&3), data[1:size])
				data = data[size:]
			}
		})
	})
}

// FuzzHubFrames sends a hub frames that are nearly all well formed, and names
// channels and users that collide: the bytes choose type, connection, names and
// the rest. No other channel's members may notice anything of it.
func FuzzHubFrames(f *testing.F) {
	for _, seed := range []string{
		"",
		"create0 join1 join2 send0 send1 ",
		"\x00\x00\x00\x00\x01\x01\x00\x01\x03\x01\x00\x01\x02\x00\x00\x00",
		"\x00\x00\x00\x00\x01\x01\x00\x01\x02\x02\x00\x00\x07\x00\x00\x01\x02\x01\x00\x01",
		"\x00\x00\x00\x00\x0e\x00\x00\x00\x02\x01\x00\x00\x0f\x05\x00\x00\x04\x00\x00\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		amongBystanders(t, func(s *strangers) {
			for range 64 {
				if len(data) < 4 {
					return
				}
				s.act(data[0], data[1], data[2], data[3])
				data = data[4:]
			}
		})
	})
}

const strangerCount = 4

// strangers are some connections to a hub that send what they like.
type strangers struct {
	listener *memory.Listener
	conns    [strangerCount]*memory.Conn
	reading  sync.WaitGroup
	ref      uint64

	mu      sync.Mutex
	secrets []string
}

// amongBystanders runs the strangers beside a channel with a master and two
// slaves, to whom nothing may happen meanwhile, and who must reach each other in
// the same instant when it is over.
func amongBystanders(t *testing.T, act func(s *strangers)) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{
			MaxChannels: 3, MaxSlaves: 2, MaxChannelsPerConnection: 2,
			MasterTimeout: 2 * time.Second, SlaveTimeout: time.Second,
			Replay: lectern.QueueLimit{Messages: 4}, MaxMessageBytes: 64,
		})
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(err)
		began := time.Now()
		ctx := context.Background()
		master, err := hub.Create(ctx, "bystanders", "alice")
		must(err)
		var slaves []*lectern.Slave
		for _, name := range []string{"user_one", "user_two"} {
			slave, err := hub.Join(ctx, "bystanders", name)
			must(err)
			nothingFor(t, slave, 0)
			slaves = append(slaves, slave)
			stage.NextPresence(t, master, name, lectern.StateOnline)
		}

		s := &strangers{listener: memory.Listen(hub, memory.Options{})}
		act(s)
		synctest.Wait()
		for _, h := range []stage.Handle{master, slaves[0], slaves[1]} {
			nothingFor(t, h, time.Since(began))
		}
		before := time.Now()
		_, err = master.Broadcast(ctx, lectern.Text("still here"))
		must(err)
		for _, slave := range slaves {
			message, err := slave.Receive(ctx)
			must(err)
			_, err = slave.Send(ctx, lectern.Text("so am I"))
			must(err)
			answer := stage.Next(t, master).(lectern.Message)
			if message.Text() != "still here" || answer.Text() != "so am I" || answer.From != slave.Username() {
				t.Fatalf("%q, and %q from %q", message.Text(), answer.Text(), answer.From)
			}
		}
		if took := time.Since(before); took != 0 {
			t.Fatalf("it took %v", took)
		}
		for _, close := range []func() error{slaves[0].Leave, slaves[1].Leave, master.Close, hub.Close, s.listener.Close} {
			must(close())
		}
		s.reading.Wait()
		// Whatever is left of a goroutine fails the bubble.
	})
}

// nothingFor expects that the handle has been told nothing and is not over.
func nothingFor(t *testing.T, h stage.Handle, since time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 1)
	defer cancel()
	for event, err := range h.Events(ctx) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("after %v: %#v, %v", since, event, err)
		}
	}
}

// conn is one of the strangers' connections. One that has ended is made anew.
func (s *strangers) conn(i int) *memory.Conn {
	if s.conns[i] != nil {
		return s.conns[i]
	}
	conn, err := s.listener.Dial(context.Background())
	if err != nil {
		panic(err)
	}
	c := conn.(*memory.Conn)
	s.conns[i] = c
	s.reading.Go(func() { s.read(c) })
	return c
}

// read takes what the hub tells a stranger, and remembers the secrets.
func (s *strangers) read(c *memory.Conn) {
	defer c.Close(transport.Reason{Code: transport.ProtocolError})
	for {
		data, err := c.Read()
		if err != nil {
			return
		}
		var told struct{ Resume string }
		if json.Unmarshal(data, &told) == nil && told.Resume != "" {
			s.mu.Lock()
			s.secrets = append(s.secrets, told.Resume)
			s.mu.Unlock()
		}
	}
}

func (s *strangers) send(i int, message []byte) {
	if s.conn(i).Write(message) != nil {
		s.conns[i] = nil
	}
}

// act does one thing: what kind says, on the connection who, with names and the
// like by a and b.
func (s *strangers) act(kind, who, a, b byte) {
	i := int(who) % strangerCount
	channels := []string{"c0", "c1", "c2", "bystanders"}
	users := []string{"u0", "u1", "u2", "alice", "user_one"}
	channel, user := channels[int(a)%len(channels)], users[int(b)%len(users)]
	if s.ref++; a >= 0xf0 { // one that was used before, or is none
		s.ref -= min(uint64(b%4), s.ref)
	}
	// The length of what is quoted goes beyond every limit of the policy.
	text := strings.Repeat("x", int(a)/2)
	fields := fmt.Sprintf(`"ref":%d,"channel":%q`, s.ref, channel)
	if who >= 0xf0 {
		fields = fmt.Sprintf(`"channel":%q`, channel)
	}
	chosen := int(who >> 2 & 7)
	holder := fields // of one that shows an instance, which is not always its connection's
	if who&0x40 != 0 {
		holder += fmt.Sprintf(`,"instance":"i%d"`, chosen)
	}
	switch kind % 26 {
	case 0:
		s.frame(i, `"create",%s,"username":%q,"master_timeout_ms":%d`, holder, user, int(who)*10)
	case 1:
		s.frame(i, `"join",%s,"username":%q,"wait":%t`, holder, user, kind > 128)
	case 2:
		s.frame(i, `"send",%s,"text":%q`, fields, text)
	case 3:
		s.frame(i, `"send",%s,"to":%q,"data":[%d]`, fields, user, kind)
	case 4:
		s.frame(i, `"resume",%s,"username":%q,"resume":%q,"last":%d`, holder, user, s.secret(int(who)), kind/26)
	case 5:
		s.frame(i, `"leave",%s`, fields)
	case 6:
		s.frame(i, `"away",%s`, fields)
	case 7:
		s.frame(i, `"back",%s`, fields)
	case 8:
		s.frame(i, `"kick",%s,"to":%q,"reason":%q,"ban":%t`, fields, user, text, kind > 128)
	case 9:
		s.frame(i, `"status",%s`, fields)
	case 10:
		s.frame(i, `"members",%s`, fields)
	case 11:
		s.frame(i, `"join",%s,"username":%q,"from":%q`, fields, user, channels[int(who)%len(channels)])
	case 12:
		s.frame(i, `"send",%s,"request":true,"text":"?"`, fields)
	case 13:
		s.frame(i, `"send",%s,"reply":%d,"base64":"AP8Q"`, fields, 1+int(b))
	case 14: // lost without a word
		if s.conns[i] != nil {
			s.conns[i].Cut()
			s.conns[i] = nil
		}
	case 15: // closed with a reason, with left among them
		if s.conns[i] != nil {
			_ = s.conns[i].Close(transport.Reason{Code: []transport.CloseCode{transport.Left, transport.Slow, 1000, 0}[a%4], Text: text})
			s.conns[i] = nil
		}
	case 16:
		synctest.Wait()
	case 17: // up to beyond every timeout
		time.Sleep(time.Duration(b) * 20 * time.Millisecond)
	case 18: // not a client's
		s.frame(i, `"message",%s,"from":"alice","seq":%d,"text":"I am your master"`, fields, b)
	case 19: // malformed
		s.send(i, []byte(fmt.Sprintf(`{"type":"join",%s,"username":%q}`, fields, user))[:int(b)%40])
	case 20:
		repeated := ""
		if kind > 128 {
			repeated = fmt.Sprintf(`,"username":%q,"resume":%q`, users[chosen%len(users)], s.secret(chosen))
		}
		s.frame(i, `"hand_over",%s%s,"to":%q,"stay":%t`, holder, repeated, user, kind/26%2 == 1)
	case 21: // an epoch is shown
		s.frame(i, `"ping",%s,"epoch":%d,"seen":0`, fields, b)
	case 22:
		s.frame(i, `"door",%s,"door":%q`, fields, []string{"open", "knock", "locked", "ajar"}[b%4])
	case 23:
		if kind > 128 {
			s.frame(i, `"deny",%s,"reason":%q,"knock":%d`, fields, text, b)
		} else {
			s.frame(i, `"admit",%s,"knock":%d`, fields, b)
		}
	case 24:
		if kind > 128 {
			fields += fmt.Sprintf(`,"to":%q`, user)
		}
		s.frame(i, `"mute",%s,"on":%t`, fields, kind/26%2 == 1)
	case 25:
		s.frame(i, `"set",%s,"key":"k%d","text":%q`, fields, b%3, text)
	}
}

func (s *strangers) frame(i int, format string, args ...any) {
	s.send(i, fmt.Appendf(nil, `{"type":`+format+`}`, args...))
}

// secret is one that a stranger was told, or a wrong one.
func (s *strangers) secret(n int) string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= len(s.secrets)+4 || len(s.secrets) == 0 {
		return "SqCn5YHLMsGFPzKfNDjEBw"
	}
	return s.secrets[n%len(s.secrets)]
}
