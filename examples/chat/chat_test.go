package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
	"github.com/lectern-go/lectern/transport/websocket"
)

func TestStory(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, story(t.Context(), &out), "after:\n%s", &out)
	require.Contains(t, out.String(), `"code":"forbidden"`)
	require.Contains(t, out.String(), "Everything was as the rules say.")
	require.NotContains(t, out.String(), "resume", "a secret must not be shown")
}

func TestStoryTellsWhatDiffers(t *testing.T) {
	s, err := newStage(t.Context(), io.Discard, lectern.Policy{MasterTimeout: masterTimeout})
	require.NoError(t, err)
	client := s.client(websocket.Dialer{URL: s.url})
	s.refused("user_one", "joins", lectern.ErrBanned, func(ctx context.Context) error {
		_, err := client.Join(ctx, channel, "user_one")
		return err
	})
	s.messages(&cast{}) // nothing more happens after a difference
	require.ErrorContains(t, s.err, "the answer should be lectern: banned and is lectern: no_such_channel")
	require.NoError(t, s.close())
}

// terminal is the interactive client with a hand on its keyboard and an eye on
// its screen.
type terminal struct {
	t     *testing.T
	keys  *io.PipeWriter
	lines chan string
	done  chan error
	stop  context.CancelFunc
}

func sit(t *testing.T, hub transport.Dialer, to invitation) *terminal {
	in, keys := io.Pipe()
	screen, out := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	x := &terminal{t: t, keys: keys, lines: make(chan string, 1000), done: make(chan error, 1), stop: stop}
	go func() {
		err := talk(ctx, hub, to, in, out)
		out.Close()
		x.done <- err
	}()
	go func() {
		defer close(x.lines)
		for scanner := bufio.NewScanner(screen); scanner.Scan(); {
			x.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		stop()
		keys.Close()
		for range x.lines {
		}
	})
	return x
}

func (x *terminal) types(line string) {
	x.t.Helper()
	_, err := io.WriteString(x.keys, line+"\n")
	require.NoError(x.t, err)
}

// shows waits for a line that contains the text.
func (x *terminal) shows(text string) {
	x.t.Helper()
	var before []string
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-x.lines:
			if strings.Contains(line, text) {
				return
			}
			before = append(before, line)
			require.True(x.t, ok, "%q has never been shown, but %q", text, before)
		case <-deadline:
			require.Fail(x.t, "never shown", "%q, but %q", text, before)
		}
	}
}

func (x *terminal) ends() error {
	x.t.Helper()
	select {
	case err := <-x.done:
		return err
	case <-time.After(patience):
		require.Fail(x.t, "it does not end")
		return nil
	}
}

func newHub(t *testing.T) *lectern.Hub {
	hub, err := lectern.NewHub(lectern.Policy{MasterTimeout: masterTimeout})
	require.NoError(t, err)
	t.Cleanup(func() { hub.Close() })
	return hub
}

var (
	asAlice = invitation{create: channel, as: "alice"}
	asOne   = invitation{join: channel, as: "user_one"}
	asTwo   = invitation{join: channel, as: "user two"}
)

func TestConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		alice := sit(t, hub, asAlice)
		alice.shows("channel abc123 is open")
		alice.types("/who")
		alice.shows("nobody is there")
		one := sit(t, hub, asOne)
		one.shows("user_one has joined abc123; its master alice is online")
		alice.shows("user_one has joined")
		two := sit(t, hub, asTwo)
		alice.shows("user two has joined")

		alice.types("what is going on?")
		one.shows("<alice> what is going on?")
		two.shows("<alice> what is going on?")
		alice.types(`/to "user two" a word with you`)
		two.shows("<alice to you alone> a word with you")
		one.types("not much")
		alice.shows("<user_one> not much")
		alice.types("/who")
		alice.shows("user two is online")
		alice.shows("user_one is online")
		one.types("/who")
		one.shows("alice, the master of abc123, is online")

		alice.types("/away")
		alice.shows("the channel ends in 2s unless you are /back")
		one.shows("alice is away, 2 s left")
		alice.types("/back")
		alice.shows("you are back")
		one.shows("alice is back")

		alice.types("/kick user_one too loud")
		alice.shows("user_one is gone: too loud")
		one.shows("channel abc123 is over: kicked (too loud)")
		require.ErrorIs(t, one.ends(), lectern.ErrKicked)
		alice.types(`/ban "user two"`)
		two.shows("channel abc123 is over: kicked")
		require.ErrorIs(t, two.ends(), lectern.ErrKicked)
		require.ErrorIs(t, sit(t, hub, asTwo).ends(), lectern.ErrBanned)

		alice.types("/quit")
		alice.shows("channel abc123 is closed")
		require.NoError(t, alice.ends())
	})
}

func TestCommandsThatMakeNoSense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		alice := sit(t, hub, asAlice)
		alice.shows("is open")
		one := sit(t, hub, asOne)
		one.shows("has joined")
		for line, answer := range map[string]string{
			"/switch xyz789":            "! /switch is not for a master",
			"/dance":                    "! there is no /dance; /help",
			"/to nobody hi":             "! no_such_slave",
			"/to user_one":              "! say what to user_one?",
			"/kick":                     "! whom?",
			"/away now":                 "! /away takes nothing more",
			"/help":                     "/kick NAME [REASON]",
			strings.Repeat("a", 70_000): "! too_large",
		} {
			alice.types(line)
			alice.shows(answer)
		}
		for line, answer := range map[string]string{
			"/kick alice":     "! /kick is not for a slave",
			"/to user_two hi": "! /to is not for a slave",
			"/switch nowhere": "! still in abc123: no_such_channel",
			"/switch":         "! to which channel?",
			"/help":           "/switch CHANNEL",
		} {
			one.types(line)
			one.shows(answer)
		}
	})
}

func TestSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		alice := sit(t, hub, asAlice)
		alice.shows("is open")
		bob := sit(t, hub, invitation{create: other, as: "bob"})
		bob.shows("is open")
		one := sit(t, hub, asOne)
		one.shows("has joined abc123")
		one.types("/switch " + other)
		one.shows("user_one has joined xyz789; its master bob is online")
		alice.shows("user_one is gone: left")
		bob.shows("user_one has joined")
		one.types("good evening")
		bob.shows("<user_one> good evening")
		bob.types("/quit")
		one.shows("channel xyz789 is over: master_left")
		require.NoError(t, one.ends())
	})
}

func TestEndOfInputAndInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		alice := sit(t, hub, asAlice)
		alice.shows("is open")
		one := sit(t, hub, asOne)
		one.shows("has joined")
		one.types("my last words")
		require.NoError(t, one.keys.Close())
		alice.shows("<user_one> my last words")
		alice.shows("user_one is gone: left")
		one.shows("user_one has left abc123")
		require.NoError(t, one.ends())

		alice.stop()
		alice.shows("channel abc123 is closed")
		require.NoError(t, alice.ends())
	})
}

func TestLostConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		network := memory.Listen(hub, memory.Options{})
		t.Cleanup(func() { network.Close() })
		alice := sit(t, network, asAlice)
		alice.shows("is open")
		one := sit(t, hub, asOne)
		one.shows("has joined")

		network.Conns()[0].Cut()
		one.shows("alice is away, 2 s left")
		alice.shows("the connection to the hub is lost, 2 s left")
		alice.shows("the connection to the hub is back")
		one.shows("alice is back")

		network.Refuse(transport.ErrSilent)
		network.Conns()[0].Cut()
		one.shows("alice is away, 2 s left")
		one.shows("channel abc123 is over: master_down")
		require.ErrorIs(t, one.ends(), lectern.ErrMasterDown)
		alice.shows("channel abc123 is over: master_down")
		require.ErrorIs(t, alice.ends(), lectern.ErrMasterDown)
	})
}

func TestNothingFromPeersReachesTheTerminalRaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		alice := sit(t, hub, asAlice)
		alice.shows("is open")
		slave, err := hub.Join(t.Context(), channel, "user_one")
		require.NoError(t, err)
		_, err = slave.Send(t.Context(), lectern.Text("\x1b[2Jgone\r\n* fake \u202e\t\u0085 \\ 'ü'"))
		require.NoError(t, err)
		alice.shows(`<user_one> \x1b[2Jgone\r\n* fake \u202e\t\u0085 \ 'ü'`)
		_, err = slave.Send(t.Context(), lectern.Bytes([]byte{1, 2, 3}))
		require.NoError(t, err)
		alice.shows("<user_one> (3 bytes)")
		require.Equal(t, `\xff`+`\ufeff`, printable("\xff\ufeff"))
		require.Equal(t, `'\''`, printable(`'\''`))
	})
}

func TestExitStatus(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	unreachable := "ws://" + listener.Addr().String() + "/ws"
	require.NoError(t, listener.Close())
	s, err := newStage(t.Context(), io.Discard, lectern.Policy{})
	require.NoError(t, err)
	defer s.close()

	for _, test := range []struct {
		args   string
		status int
		says   string
	}{
		{"-h", 0, "usage: chat"},
		{"-nonsense", 2, "not defined"},
		{"more", 2, `unexpected argument "more"`},
		{"-as alice", 2, "-connect is missing"},
		{"-connect " + s.url, 2, "either -create or -join is needed"},
		{"-connect " + s.url + " -create a -join b -as alice", 2, "either -create or -join is needed"},
		{"-connect " + s.url + " -create a", 2, "-as is missing"},
		{"-connect " + s.url + " -create a\a -as alice", 1, "cannot create a\\a: bad_name (channel: "},
		{"-connect " + s.url + " -join nowhere -as user_one", 1, "cannot join nowhere: no_such_channel"},
		{"-connect " + unreachable + " -create a -as alice", 1, "refused"},
		{"-connect http://localhost/ws -create a -as alice", 1, "ws://"},
		{"-connect " + s.url + " -create a -as alice", 0, ""},
	} {
		t.Run(test.args, func(t *testing.T) {
			var out, errs bytes.Buffer
			status := run(t.Context(), strings.Fields(test.args), strings.NewReader(""), &out, &errs)
			require.Equal(t, test.status, status, "%s%s", &out, &errs)
			require.Contains(t, errs.String(), test.says)
		})
	}
}
