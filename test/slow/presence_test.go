package slow

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// follower keeps the list of abc123's slaves from what its master is told, and holds every
// frame to it: nothing may contradict what was told before.
type follower struct {
	t      *testing.T
	slaves map[string]slave
	newest uint64 // the highest number that was told
	// lists and messages count what was told.
	lists, messages int
}

type slave struct {
	State  string
	Number uint64
}

type told struct {
	Type, Username, State, From string
	Ref, Number                 uint64
	Members                     []struct {
		Username, State string
		Number          uint64
	}
}

func (f *follower) take(text string) {
	var frame told
	require.NoError(f.t, json.Unmarshal([]byte(text), &frame))
	known, present := f.slaves[frame.Username]
	switch frame.Type {
	case "presence":
		switch {
		case frame.State == "left":
			require.True(f.t, present, text)
			delete(f.slaves, frame.Username)
			return
		case frame.Number != 0:
			require.False(f.t, present, text)
			require.Greater(f.t, frame.Number, f.newest, text)
			f.newest, known.Number = frame.Number, frame.Number
		default:
			require.True(f.t, present, text)
			require.NotEqual(f.t, known.State, frame.State, text)
		}
		known.State = frame.State
		f.slaves[frame.Username] = known
	case "members":
		f.lists++
		require.Zero(f.t, frame.Ref, text)
		before := f.slaves
		f.slaves = map[string]slave{}
		for _, m := range frame.Members {
			require.NotZero(f.t, m.Number, text)
			if old := before[m.Username]; old.Number != m.Number {
				require.Greater(f.t, m.Number, old.Number, text)
			}
			f.newest = max(f.newest, m.Number)
			f.slaves[m.Username] = slave{m.State, m.Number}
		}
	case "message":
		f.messages++
		require.Equal(f.t, "online", f.slaves[frame.From].State, text)
	}
}

// slowly reads what the master is told, so many bytes a second, until it is told nothing
// for a while or until it is closed.
func (f *follower) slowly(alice *stage.Raw, bytesPerSecond int, quiet time.Duration) {
	for {
		watch := time.AfterFunc(quiet, func() { _ = alice.Conn.Close(transport.Reason{Code: transport.Left}) })
		text, err := alice.Conn.Read()
		if !watch.Stop() {
			return
		}
		require.NoError(f.t, err, "after %d lists", f.lists)
		time.Sleep(time.Duration(len(text)) * time.Second / time.Duration(bytesPerSecond))
		f.take(string(text))
	}
}

// Row H9: slaves that join and leave all the time, as fast as they may send, do not
// disconnect a master that reads slowly. What it is told is right at any time.
func TestJoiningAndLeavingBesideASlowMaster(t *testing.T) {
	for slaves, long := range map[int]time.Duration{1: 12 * time.Second, 8: 4 * time.Second} {
		t.Run(fmt.Sprint(slaves), func(t *testing.T) {
			unlimited := lectern.RateLimit{PerSecond: -1}
			policy := lectern.Policy{MembershipRate: unlimited, SlaveMessageRate: unlimited}
			stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
				alice := s.Raw()
				alice.Send(stage.AliceCreates)
				alice.Expect(stage.AliceCreated)
				var busy sync.WaitGroup
				for i := range slaves {
					one := s.Raw()
					busy.Go(func() { comeAndGo(one, fmt.Sprint("user_", i), long) })
				}
				f := &follower{t: t, slaves: map[string]slave{}}
				f.slowly(alice, 32<<10, 5*time.Second)
				busy.Wait()
				require.NotZero(t, f.lists)
				require.NotZero(t, f.messages)
				require.Len(t, f.slaves, slaves, "all have stayed in the end")
			})
		})
	}
}

// comeAndGo joins, says something and leaves, again and again for so long, 900 frames a
// second. In the end it stays.
func comeAndGo(one *stage.Raw, name string, d time.Duration) {
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			frame, err := one.Conn.Read()
			if err != nil || strings.HasPrefix(string(frame), `{"type":"pong"`) {
				return
			}
		}
	})
	ref := 0
	send := func(fields string) {
		ref++
		_ = one.Conn.Write(fmt.Appendf(nil, `{"ref":%d,"channel":"abc123","username":"%s",%s}`, ref, name, fields))
	}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for range 3 {
			send(`"type":"join"`)
			send(`"type":"send","text":"here I am"`)
			send(`"type":"leave"`)
		}
	}
	send(`"type":"join"`)
	send(`"type":"ping"`)
	reading.Wait()
}
