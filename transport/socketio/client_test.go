package socketio

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/internal/memnet"
)

// A site is a handler behind an http.Server, on a network in memory.
type site struct {
	handler http.Handler
	network func(ctx context.Context, network, address string) (net.Conn, error)
	client  *http.Client
}

func newSite(t *testing.T, hub Hub, options Options) *site {
	listener := memnet.Listen()
	s := &site{handler: NewHandler(hub, options), network: listener.DialContext}
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	s.client = &http.Client{Transport: &http.Transport{DialContext: s.network, MaxIdleConnsPerHost: 100}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		_ = server.Close()
		<-served
		if fake, ok := hub.(*fakeHub); ok {
			fake.open.Wait()
		}
	})
	return s
}

// siteAt is a site that is served elsewhere.
func siteAt(t *testing.T, address string) *site {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	s := &site{network: dial, client: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 100}}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// sessions is how many sessions that have begun with a poll there are.
func (s *site) sessions() int { return s.handler.(*engineio.Endpoint).Sessions() }

// A client speaks the protocol of socket.io's client: packets of Socket.IO, text as a string, and
// a binary one with # and its bytes in hexadecimal digits. It answers pings by itself.
type client struct {
	t       *testing.T
	carrier carrier
	packets chan string // closed when the session has ended
	done    sync.WaitGroup
}

// A carrier sends and receives packets of the engine.
type carrier interface {
	send(packet string) error
	receive() (packets []string, err error)
	close()
}

// dial opens a session, of which the carrier is "websocket" or "polling".
func (s *site) dial(t *testing.T, way, version, query string) *client {
	t.Helper()
	c := &client{t: t, packets: make(chan string, 100_000)}
	if way == "websocket" {
		c.carrier = s.dialWebSocket(t, "/socket.io/?transport=websocket&EIO="+version+query)
	} else {
		c.carrier = s.polls("/socket.io/?transport=polling&EIO=" + version + query)
	}
	open, err := c.carrier.receive()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(open[0], "0{"))
	if p, ok := c.carrier.(*polls); ok {
		p.begin(t, open[0])
	}
	c.done.Go(c.read)
	t.Cleanup(c.close)
	return c
}

func (c *client) close() {
	c.carrier.close()
	c.done.Wait()
}

// cut loses the connection, or gives up a poll.
func (c *client) cut() {
	switch carrier := c.carrier.(type) {
	case overWebSocket:
		_ = carrier.conn.NetConn().Close()
	case *polls:
		carrier.cancel()
	}
	c.done.Wait()
}

// dialStuck opens a session of which nothing is read beyond its beginning.
func (s *site) dialStuck(t *testing.T, way string) *client {
	c := &client{t: t, packets: make(chan string)}
	if way == "websocket" {
		c.carrier = s.dialWebSocket(t, "/socket.io/?transport=websocket&EIO=4")
		_, err := c.carrier.receive()
		require.NoError(t, err)
	} else {
		p := s.polls("/socket.io/?transport=polling&EIO=4")
		c.carrier = p
		packets, err := p.receive()
		require.NoError(t, err)
		p.begin(t, packets[0])
	}
	t.Cleanup(c.close)
	return c
}

// upgrade changes from polling to a WebSocket, as clients do: between two polls.
func (c *client) upgrade() {
	p := c.carrier.(*polls)
	ws := p.site.dialWebSocket(c.t, strings.Replace(p.target, "polling", "websocket", 1))
	require.NoError(c.t, ws.send("2probe"))
	packets, err := ws.receive()
	require.NoError(c.t, err)
	require.Equal(c.t, []string{"3probe"}, packets)
	close(p.pausing)
	<-p.idle
	require.NoError(c.t, ws.send("5"))
	c.carrier = ws
	close(p.resumed)
}

// read has packets of Socket.IO be heard, and answers pings.
func (c *client) read() {
	defer close(c.packets)
	for {
		packets, err := c.carrier.receive()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet[0] {
			case '2':
				if c.carrier.send("3") != nil {
					return
				}
			case '4':
				c.packets <- packet[1:]
			case '#':
				c.packets <- packet
			case '1':
				return
			}
		}
	}
}

// say sends packets of Socket.IO.
func (c *client) say(packets ...string) {
	c.t.Helper()
	for _, packet := range packets {
		if packet[0] != '#' {
			packet = "4" + packet
		}
		require.NoError(c.t, c.carrier.send(packet))
	}
}

// next is the next packet, and empty where the session has ended.
func (c *client) next() string {
	c.t.Helper()
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case packet := <-c.packets:
		return packet
	case <-timer.C:
		require.Fail(c.t, "nothing has come for a minute")
		return ""
	}
}

// hear expects these packets.
func (c *client) hear(packets ...string) {
	c.t.Helper()
	for _, packet := range packets {
		require.Equal(c.t, packet, c.next())
	}
}

// hearEvent expects an event, and returns its arguments.
func (c *client) hearEvent(name string) []any {
	c.t.Helper()
	packet := c.next()
	start := strings.IndexByte(packet, '[')
	require.Greater(c.t, start, 0, "%q where %s was to come", packet, name)
	var arguments []any
	require.NoError(c.t, json.Unmarshal([]byte(packet[start:]), &arguments), "%q", packet)
	require.Equal(c.t, name, arguments[0], "%q", packet)
	return arguments[1:]
}

// hearEnd reads until the session has ended, and returns what came before.
func (c *client) hearEnd() (packets []string) {
	for packet := range c.packets {
		packets = append(packets, packet)
	}
	return packets
}

// connect connects the socket with the auth, a JSON object, and returns its pid.
func (c *client) connect(auth string) (pid string) {
	c.t.Helper()
	c.say("0" + auth)
	packet := c.next()
	require.True(c.t, strings.HasPrefix(packet, "0{"), "%q", packet)
	var connected struct{ SID, PID string }
	require.NoError(c.t, json.Unmarshal([]byte(packet[1:]), &connected))
	require.Len(c.t, connected.SID, 20)
	return connected.PID
}

// overWebSocket is a carrier.
type overWebSocket struct {
	conn    *gorilla.Conn
	writing *sync.Mutex
}

func (s *site) dialWebSocket(t *testing.T, target string) overWebSocket {
	dialer := gorilla.Dialer{NetDialContext: s.network}
	conn, response, err := dialer.DialContext(t.Context(), "ws://lectern.test"+target, nil)
	require.NoError(t, err)
	_ = response.Body.Close()
	return overWebSocket{conn, new(sync.Mutex)}
}

func (c overWebSocket) send(packet string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	var content []byte
	if n, _ := fmt.Sscanf(packet, "#%x", &content); n == 1 {
		return c.conn.WriteMessage(gorilla.BinaryMessage, content)
	}
	return c.conn.WriteMessage(gorilla.TextMessage, []byte(packet))
}

func (c overWebSocket) receive() ([]string, error) {
	kind, content, err := c.conn.ReadMessage()
	if kind == gorilla.BinaryMessage {
		return []string{fmt.Sprintf("#%x", content)}, err
	}
	return []string{string(content)}, err
}

func (c overWebSocket) close() { _ = c.conn.Close() }

// polls are a carrier of protocol 4.
type polls struct {
	site    *site
	target  string
	ctx     context.Context
	cancel  context.CancelFunc
	posting sync.Mutex

	// pausing is closed when no further poll is to begin, idle when none is under way, and
	// resumed when there is another carrier.
	pausing, idle, resumed chan struct{}
}

func (s *site) polls(target string) *polls {
	ctx, cancel := context.WithCancel(context.Background())
	return &polls{site: s, target: target, ctx: ctx, cancel: cancel, pausing: make(chan struct{}), idle: make(chan struct{}), resumed: make(chan struct{})}
}

// begin takes the id of the session from its first packet.
func (p *polls) begin(t *testing.T, open string) {
	var opened struct{ SID string }
	require.NoError(t, json.Unmarshal([]byte(open[1:]), &opened))
	p.target += "&sid=" + opened.SID
}

func (p *polls) do(method, body string) (string, error) {
	request, err := http.NewRequestWithContext(p.ctx, method, "http://lectern.test"+p.target, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := p.site.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, content)
	}
	return string(content), err
}

func (p *polls) send(packet string) error {
	p.posting.Lock()
	defer p.posting.Unlock()
	var content []byte
	if n, _ := fmt.Sscanf(packet, "#%x", &content); n == 1 {
		packet = "b" + base64.StdEncoding.EncodeToString(content)
	}
	_, err := p.do(http.MethodPost, packet)
	return err
}

func (p *polls) receive() ([]string, error) {
	select {
	case <-p.pausing:
		close(p.idle)
		<-p.resumed
		return nil, nil
	default:
	}
	body, err := p.do(http.MethodGet, "")
	packets := strings.Split(body, "\x1e")
	for i, packet := range packets {
		if encoded, isBinary := strings.CutPrefix(packet, "b"); isBinary {
			content, _ := base64.StdEncoding.DecodeString(encoded)
			packets[i] = fmt.Sprintf("#%x", content)
		}
	}
	return packets, err
}

func (p *polls) close() {
	_ = p.send("1")
	p.cancel()
}
