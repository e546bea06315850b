package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster/natscluster"
	"github.com/lectern-go/lectern/examples/classroom/page"
	"github.com/lectern-go/lectern/transport/websocket"
)

// engineOptions are those of all hubs: what fits a laptop.
func engineOptions(replicas int) natscluster.Options {
	return natscluster.Options{Name: "laptop", Shards: 4, Replicas: replicas, MaxBytes: 64 << 20}
}

// openEngine is the engine of a hub.
func openEngine(ctx context.Context, servers string, replicas int, options ...nats.Option) (*natscluster.Engine, error) {
	return natscluster.Open(ctx, servers, engineOptions(replicas), append(options, nats.UserInfo(hubUser, hubUser))...)
}

const (
	openTimeout     = 20 * time.Second
	shutdownTimeout = 2 * time.Second
)

// A report is what a hub says of itself under /status.
type report struct {
	ID          string
	Ready       bool
	Connections uint64
	// Owns are the channels that this hub decides.
	Owns []string
	// Hears is how many hubs it hears, itself included.
	Hears int
}

// runHub is the program of one hub: it serves at the address until ctx ends or its input does, which is when who
// has started it is gone. The log is on so many nodes.
func runHub(ctx context.Context, servers, address string, replicas int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	engine, err := openEngine(opening, servers, replicas,
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { logger.Error("NATS", "error", err) }))
	if err != nil {
		return err
	}
	defer engine.Close()
	hub, err := lectern.NewHub(lectern.Policy{Cluster: engine, Logger: logger})
	if err != nil {
		return err
	}
	defer hub.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: handlerOf(hub), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	fmt.Println("serves") // who has started it waits for that
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	_ = listener.Close() // who comes now finds the others
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = hub.Shutdown(ending)
	_ = web.Close()
	if failure := <-failed; !errors.Is(failure, http.ErrServerClosed) && !errors.Is(failure, net.ErrClosed) {
		err = errors.Join(err, failure)
	}
	return err
}

// handlerOf serves the classroom, whose connections are the hub's, and the report.
func handlerOf(hub *lectern.Hub) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", page.Handler(websocket.NewHandler(hub, websocket.Options{Hosts: []string{"localhost"}})))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(reportOf(hub))
	})
	return mux
}

func reportOf(hub *lectern.Hub) report {
	r := report{Ready: hub.Ready(), Owns: []string{}}
	for _, info := range hub.Cluster().Hubs() {
		if info.Self {
			r.ID, r.Connections = info.ID.String(), info.Connections
		}
		if !info.Lost {
			r.Hears++
		}
	}
	for channel := range hub.Channels() {
		r.Owns = append(r.Owns, channel.Name())
	}
	slices.Sort(r.Owns)
	return r
}
