package socketio

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// What no frame can be made of is refused, and the socket goes on.
func TestEmitsThatAreRefused(t *testing.T) {
	const bad = `"ok":false,"error":"bad_frame"`
	for packet, want := range map[string]string{
		`25["nope",1]`:                            `35[{"ok":false,"error":"unsupported"`,
		`2["nope",1]`:                             `2["refused",{"code":"unsupported"`,
		`25["message"]`:                           `35[{` + bad,
		`25["message",1,2]`:                       `35[{` + bad,
		`25["message",1,{},3]`:                    `35[{` + bad,
		`25["message",1,{"to":5}]`:                `35[{` + bad,
		`25["message",1,{"type":"kick"}]`:         `35[{` + bad,
		`25["message",1,{"ref":3}]`:               `35[{` + bad,
		`25["message",1,{"text":"two payloads"}]`: `35[{` + bad,
		`25["message","\ud800"]`:                  `35[{` + bad,
		`25["message",` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `]`: `35[{` + bad,
		`25["kick"]`:                  `35[{` + bad,
		`25["admit","seventeen"]`:     `35[{` + bad,
		`25["door","ajar"]`:           `35[{` + bad,
		`25["message",1,2,3,4,5,6,7]`: `35[{` + bad,
		`2["gather",1]`:               `2["refused",{"code":"bad_frame"`,
		`0/other,{"a":1}`:             `4/other,{"message":"Invalid namespace"}`,
	} {
		t.Run(packet, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newFakeHub()
				s := newSite(t, hub, Options{})
				near, far := member(t, hub, s, "websocket", false)
				near.say(packet)
				got := near.next()
				require.True(t, strings.HasPrefix(got, want), "%s", got)
				near.say(`2["leave"]`)
				require.Equal(t, `{"type":"leave","channel":"c"}`, <-far.frames)
			})
		})
	}
}

// What is not the protocol ends the session, with an event and for good.
func TestSessionsThatAreEnded(t *testing.T) {
	many := func(n int, packet string) []string {
		return strings.Split(strings.TrimSuffix(strings.Repeat(packet+"\n", n), "\n"), "\n")
	}
	for name, c := range map[string]struct {
		packets []string
		ends    error
	}{
		"an unknown type":                     {[]string{`9`}, transport.ErrProtocol},
		"an empty packet":                     {[]string{``}, transport.ErrProtocol},
		"not JSON":                            {[]string{`2["message",`}, transport.ErrProtocol},
		"no array":                            {[]string{`2{"a":1}`}, transport.ErrProtocol},
		"no name":                             {[]string{`2[]`}, transport.ErrProtocol},
		"a name that is no string":            {[]string{`2[1]`}, transport.ErrProtocol},
		"a reserved name":                     {[]string{`2["disconnect"]`}, transport.ErrProtocol},
		"a number over 2^53":                  {[]string{`29007199254740993["message",1]`}, transport.ErrProtocol},
		"a number without end":                {[]string{`2` + strings.Repeat("1", 100) + `["message",1]`}, transport.ErrProtocol},
		"a second connection":                 {[]string{`0`}, transport.ErrProtocol},
		"an event of a namespace":             {[]string{`2/other,["message",1]`}, transport.ErrProtocol},
		"11 attachments":                      {[]string{`511-["message",{"_placeholder":true,"num":0}]`}, transport.ErrProtocol},
		"attachments without a number":        {[]string{`5["message",1]`}, transport.ErrProtocol},
		"text in the place of an attachment":  {[]string{`51-["message",{"_placeholder":true,"num":0}]`, `2["leave"]`}, transport.ErrProtocol},
		"an attachment that nobody announced": {[]string{`#00`}, transport.ErrProtocol},
		"attachments over the limit": {
			append([]string{`510-["message",{"_placeholder":true,"num":0}]`}, many(10, "#"+strings.Repeat("00", 3000))...), transport.ErrMessageTooLarge,
		},
		"an acknowledgement without a number": {[]string{`3[1]`}, transport.ErrProtocol},
		"a connection error":                  {[]string{`4{}`}, transport.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			for _, way := range []string{"websocket", "polling"} {
				synctest.Test(t, func(t *testing.T) {
					hub := newFakeHub()
					s := newSite(t, hub, Options{Conn: transport.ConnOptions{MaxFrameBytes: 10_000}})
					near, far := member(t, hub, s, way, false)
					for _, packet := range c.packets {
						if packet != "" && packet[0] != '#' || packet == "" {
							packet = "4" + packet
						}
						if near.carrier.send(packet) != nil {
							break
						}
					}
					require.ErrorIs(t, <-far.ended, c.ends)
					rest := near.hearEnd()
					require.Len(t, rest, 2)
					require.Contains(t, rest[0], `2["closed",{"code":`)
					require.Equal(t, "1", rest[1])
				})
			}
		})
	}
}

// An event before the socket is connected is none.
func TestEventsBeforeTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		c := s.dial(t, "websocket", "4", "")
		c.say(`2["message",1]`)
		require.Empty(t, c.hearEnd())
		require.ErrorIs(t, <-(<-hub.conns).ended, transport.ErrProtocol)
	})
}

// Floods of what costs a client nothing are bounded.
func TestFloods(t *testing.T) {
	for name, packet := range map[string]string{"pongs": "3", "packets that say nothing": "6"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := newFakeHub()
				s := newSite(t, hub, Options{})
				near, far := member(t, hub, s, "websocket", false)
				for range 100 {
					if near.carrier.send(packet) != nil {
						break
					}
				}
				require.ErrorIs(t, <-far.ended, transport.ErrFlood)
				near.hearEnd()
			})
		})
	}
}

// Requests without an answer are bounded, and those of the adapter to the hub are.
func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		s := newSite(t, hub, Options{})
		near, _ := member(t, hub, s, "websocket", false)
		for i := range maxQuestions {
			near.say(fmt.Sprintf(`2%d["request",1]`, i))
		}
		near.say(fmt.Sprintf(`2%d["request",1]`, maxQuestions))
		require.Contains(t, near.next(), fmt.Sprintf(`3%d[{"ok":false,"error":"busy"`, maxQuestions))
	})
}
