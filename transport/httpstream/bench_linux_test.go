package httpstream_test

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
)

// sharing is a service whose messages never change.
type sharing struct{ *service }

func (sharing) SharesMessages() bool { return true }

// rawStream opens a connection and its stream by hand, over sockets of the system.
func rawStream(t testing.TB) (net.Conn, served) {
	service := newService()
	site := httptest.NewServer(httpstream.NewHandler(sharing{service}, httpstream.Options{}))
	t.Cleanup(site.Close)
	t.Cleanup(func() { close(service.done) })
	response, err := site.Client().Post(site.URL+"/open", "", nil)
	require.NoError(t, err)
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	response.Body.Close()
	client, err := net.Dial("tcp", site.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	fmt.Fprintf(client, "GET /stream HTTP/1.1\r\nHost: a\r\nLectern-Connection: %s\r\n\r\n", strings.Split(string(answer), `"`)[3])
	until(t, client, "event: open")
	return client, service.accept(t)
}

// A message costs no more than a place in the window, of which there are some at once.
func TestWritingAllocates(t *testing.T) {
	client, server := rawStream(t)
	go io.Copy(io.Discard, client)
	message := []byte(`{"type":"message","channel":"abc123","from":"alice","seq":1,"text":"what is going on"}`)
	writer := server.Conn.(transport.TryWriter)
	batch := [][]byte{message}
	require.True(t, writer.TryWrite(batch...))
	require.LessOrEqual(t, testing.AllocsPerRun(300, func() {
		if !writer.TryWrite(batch...) {
			t.Error("not written")
		}
	}), 1.0) // a pool may be emptied
}
