package httpstream_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/httpstream"
)

// A member of a hub that streams over HTTP/1.1 takes no goroutine while it is idle, and little memory:
// heap and stacks, with both ends' descriptors, which are in this process. One that polls takes that of
// a request.
func TestMembersAreSmall(t *testing.T) {
	t.Run("stream", func(t *testing.T) { membersTake(t, "stream", 6000, 0) })
	t.Run("poll", func(t *testing.T) { membersTake(t, "poll", 45_000, 2) })
}

func membersTake(t *testing.T, endpoint string, bytes, goroutines int) {
	const count = 300
	hub, err := lectern.NewHub(lectern.Policy{})
	require.NoError(t, err)
	server := httptest.NewServer(httpstream.NewHandler(hub, httpstream.Options{}))
	defer server.Close()
	defer hub.Close()
	master, err := hub.Create(t.Context(), "abc123", "alice")
	require.NoError(t, err)
	members := make([]net.Conn, count)
	join := func(from, to int) {
		for i := from; i < to; i++ {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			members[i] = conn
			t.Cleanup(func() { _ = conn.Close() })
			body := fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"user_%d"}`, i)
			fmt.Fprintf(conn, "POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			var opened struct{ Connection string }
			require.NoError(t, json.NewDecoder(response.Body).Decode(&opened))
			get := func(last int) {
				fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: a\r\nLectern-Connection: %s\r\nLast-Event-ID: %d\r\n\r\n", endpoint, opened.Connection, last)
			}
			get(0)
			until(t, conn, `"joined"`)
			if endpoint == "poll" {
				get(1)
			}
		}
	}
	join(0, 50) // what there is once
	used, before := inUse()
	join(50, count)
	after, more := inUse()
	t.Logf("a member takes %d bytes, and %d members %d goroutines", (after-used)/(count-50), count-50, more-before)
	require.Less(t, more-before, (count-50)*goroutines+20)
	require.Less(t, (after-used)/(count-50), bytes)

	// And all of them are written to.
	_, err = master.Broadcast(t.Context(), lectern.Text("what is going on"))
	require.NoError(t, err)
	for _, conn := range members {
		until(t, conn, "what is going on")
	}
}

// until reads until the text has come.
func until(t testing.TB, conn net.Conn, text string) {
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	var all strings.Builder
	for buffer := make([]byte, 4096); !strings.Contains(all.String(), text); {
		n, err := conn.Read(buffer)
		all.Write(buffer[:n])
		require.NoError(t, err, all.String())
	}
}

// inUse is how many bytes the heap and the stacks take, and how many goroutines there are.
func inUse() (bytes, goroutines int) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}
