package client

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// tells is the change of an attribute in the channel abc. An empty text deletes.
func tells(from, key, text string, seq uint64) wire.Frame {
	frame := wire.Frame{Type: wire.Attribute, Channel: "abc", From: from, Code: key, Seq: seq}
	if text != "" {
		frame.Payload = wire.Payload{Kind: wire.TextPayload, Data: []byte(text)}
	}
	return frame
}

func resets(from string, seq uint64) wire.Frame {
	return wire.Frame{Type: wire.Reset, Channel: "abc", From: from, Seq: seq}
}

// changesIn are the events of the inbox, those of attributes as words.
func changesIn(inbox *Inbox[any]) (all []any) {
	for _, event := range events(inbox) {
		if a, ok := event.(Attribute); ok {
			event = fmt.Sprintf("%s %s=%s %d", a.From, a.Key, a.Value.Data, a.Seq)
		}
		all = append(all, event)
	}
	return all
}

func has(m *Membership, name string) map[string]string {
	all := map[string]string{}
	for key, value := range m.AttributesOf(name) {
		all[key] = string(value.Data)
	}
	return all
}

type texts = map[string]string

// At a reset the user is told what differs alone, and never sees that nothing is there.
func TestAResetTellsWhatDiffers(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, inbox, hub := p.joins("abc", nil)
		hub.says(tells("alice", "stays", "1", 1), tells("alice", "goes", "1", 2), tells("alice", "changes", "1", 3))
		require.Len(t, changesIn(inbox), 3)
		begun := time.Now()
		all := texts{"stays": "1", "goes": "1", "changes": "1"}
		hub.says(resets("alice", 5))
		require.Equal(t, all, has(m, "alice"))
		hub.says(tells("alice", "stays", "1", 6))
		require.Equal(t, all, has(m, "alice"))
		hub.says(tells("alice", "changes", "2", 7))
		all["changes"] = "2"
		require.Equal(t, all, has(m, "alice"))
		require.Equal(t, []any{"alice changes=2 7"}, changesIn(inbox))
		require.Equal(t, begun, time.Now())
		hub.says(message("abc", 8))
		require.Equal(t, texts{"stays": "1", "changes": "2"}, has(m, "alice"))
		require.Equal(t, []any{"alice goes= 5", uint64(8)}, changesIn(inbox))

		// What has come again has its new number.
		hub.says(tells("alice", "stays", "0", 4), tells("alice", "stays", "3", 6))
		require.Empty(t, changesIn(inbox))
		hub.says(tells("alice", "stays", "3", 9), tells("alice", "stays", "", 10))
		require.Equal(t, []any{"alice stays= 10"}, changesIn(inbox))

		// A deletion is told as one, and a reset of nothing is nothing.
		hub.says(resets("alice", 11), tells("alice", "changes", "", 12), resets("alice", 13))
		require.Equal(t, []any{"alice changes= 12"}, changesIn(inbox))
		require.Empty(t, has(m, "alice"))
	})
}

// What follows a reset ends with whatever else comes, and where nothing does, a while after the last of
// it.
func TestWhatEndsWhatFollowsAReset(t *testing.T) {
	for name, ends := range map[string]func(p *play, m *Membership, hub *peer){
		"a message":      func(_ *play, _ *Membership, hub *peer) { hub.says(message("abc", 100)) },
		"an old message": func(_ *play, _ *Membership, hub *peer) { hub.says(message("abc", 1)) },
		"a gap": func(_ *play, _ *Membership, hub *peer) {
			hub.says(wire.Frame{Type: wire.Gap, Channel: "abc", Missed: 1})
		},
		"an attribute of another": func(_ *play, _ *Membership, hub *peer) { hub.says(tells("eve", "x", "1", 100)) },
		"a reset of another":      func(_ *play, _ *Membership, hub *peer) { hub.says(resets("eve", 100)) },
		"a presence": func(_ *play, _ *Membership, hub *peer) {
			hub.says(wire.Frame{Type: wire.Presence, Channel: "abc", Username: "eve", Role: wire.Slave, State: wire.StateOnline, Number: 2})
		},
		"a list": func(_ *play, _ *Membership, hub *peer) {
			hub.says(wire.Frame{Type: wire.Members, Channel: "abc", HasMembers: true, Members: []wire.Member{{Username: "bob", State: wire.StateOnline, Number: 1}}})
		},
		"a while": func(p *play, m *Membership, hub *peer) {
			time.Sleep(anewWithin - 1)
			hub.says(tells("bob", "goes too", "2", 8), tells("bob", "goes too", "", 9))
			time.Sleep(anewWithin - 1)
			require.Contains(p.t, has(m, "bob"), "goes", "it is not over yet")
			time.Sleep(time.Nanosecond)
		},
		"another connection": func(p *play, _ *Membership, hub *peer) {
			hub.closes(transport.ProtocolError)
			time.Sleep(20 * time.Millisecond)
			hub = p.dialled()
			hub.takesMaster(hub.one(wire.Resume), "bob")
		},
		"the end": func(_ *play, _ *Membership, hub *peer) {
			hub.says(wire.Frame{Type: wire.Closed, Channel: "abc", Code: string(wire.ErrChannelClosed.Code)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inPlay(t, nil, func(t *testing.T, p *play) {
				m, inbox, hub := p.creates("bob")
				hub.says(tells("bob", "goes", "1", 3), tells("bob", "stays", "1", 4))
				hub.says(resets("bob", 6), tells("bob", "stays", "1", 7))
				require.Equal(t, texts{"goes": "1", "stays": "1"}, has(m, "bob"))
				changesIn(inbox)
				ends(p, m, hub)
				synctest.Wait()
				require.Equal(t, texts{"stays": "1"}, has(m, "bob"))
				require.Contains(t, changesIn(inbox), "bob goes= 6")
			})
		})
	}
}
