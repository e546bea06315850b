// Hub is the server of the tests beside it: a hub for socket.io clients alone, whose bounds do
// not stop a test that is in a hurry. It prints its address:
//
//	http://127.0.0.1:41207
//
// GET /idle is answered once nobody is connected and all goroutines of connections have ended.
// The program ends when its input does; the exit status is 1 where something of a connection is
// still there behind Hub.Close.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/socketio"
)

func main() {
	probe := flag.Duration("probe", 0, "how long a client may be silent before it is probed, and then until it is given up")
	away := flag.Duration("away", 30*time.Second, "how long members may be away")
	flag.Parse()
	if err := run(*probe, *away); err != nil {
		log.Fatal(err)
	}
}

func run(probe, away time.Duration) error {
	connections := newGauge()
	unbounded := lectern.RateLimit{PerSecond: -1}
	hub, err := lectern.NewHub(lectern.Policy{
		MasterTimeout: away, SlaveTimeout: away,
		FrameRate: unbounded, SlaveMessageRate: unbounded, MembershipRate: unbounded,
		Observer: connections,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", socketio.NewHandler(hub, socketio.Options{
		EIO3: true,
		Conn: transport.ConnOptions{ProbeAfter: probe, GiveUp: probe},
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	before := runtime.NumGoroutine()
	mux.HandleFunc("/idle", func(w http.ResponseWriter, r *http.Request) {
		if !connections.awaitNone(r.Context().Done()) {
			return
		}
		// What is there beside them: who accepts, and who serves this request.
		for runtime.NumGoroutine() > before+3 {
			if r.Context().Err() != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
		fmt.Fprintln(w, "idle")
	})
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	fmt.Printf("http://%s\n", listener.Addr())

	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = hub.Close()
	left := stacks("internal/hub.", "internal/engineio.", "internal/websocket.", "transport/socketio.")
	_ = web.Close()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("behind Hub.Close there are still:\n\n%s", strings.Join(left, "\n\n"))
	}
	return nil
}

// stacks are those of the goroutines that run in one of the packages, but for the requests that
// an http.Server has not done with.
func stacks(packages ...string) []string {
	text := make([]byte, 16<<20)
	text = text[:runtime.Stack(text, true)]
	var list []string
	for stack := range strings.SplitSeq(string(text), "\n\n") {
		for _, name := range packages {
			if strings.Contains(stack, name) && !strings.Contains(stack, "net/http.(*conn).serve") {
				list = append(list, stack)
				break
			}
		}
	}
	return list
}

// A gauge is an Observer that knows how many connections there are.
type gauge struct {
	mu      sync.Mutex
	count   int64
	changed chan struct{}
}

func newGauge() *gauge { return &gauge{changed: make(chan struct{})} }

func (g *gauge) Add(metric lectern.Metric, _ string, delta int64) {
	if metric != lectern.MetricConnections {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count += delta
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gauge) Observe(lectern.Metric, float64) {}

// awaitNone reports whether there is none before done is closed.
func (g *gauge) awaitNone(done <-chan struct{}) bool {
	for {
		g.mu.Lock()
		count, changed := g.count, g.changed
		g.mu.Unlock()
		if count == 0 {
			return true
		}
		select {
		case <-changed:
		case <-done:
			return false
		}
	}
}
