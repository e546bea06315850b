package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/hubfile"
	"github.com/lectern-go/lectern/transport/httpstream"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/socketio"
	"github.com/lectern-go/lectern/transport/websocket"
)

// shutdownTimeout bounds the orderly end. Members that take longer are cut off.
const shutdownTimeout = 5 * time.Second

// serve runs a hub on all listeners until ctx is done or one of them fails.
func serve(ctx context.Context, s settings, stdout, stderr io.Writer) error {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	policy := s.policy()
	policy.Logger = logger
	hub, err := lectern.NewHub(policy)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	if err := handle(mux, hub, s); err != nil {
		return err
	}
	unlock, err := lock(s.state)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := listen(s)
	if err != nil {
		return err
	}
	// Once nothing else can fail: the file is gone then. Whoever connects already waits.
	if err := restore(s.state, hub, logger); err != nil {
		l.close()
		_ = hub.Close()
		return err
	}

	ending := make(chan struct{})
	mux.Handle("GET /healthz", health(ending))
	web := &http.Server{
		Handler: mux,
		// Nothing else ends a client that never completes its request.
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(webLog{logger}, "", 0),
	}

	// What is served must not end with ctx: its members would be cut off before
	// the hub could tell them anything.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed, running := make(chan error, 3), 0
	start := func(listener net.Listener, run func() error) {
		if listener != nil {
			running++
			go func() { failed <- run() }()
		}
	}
	start(l.ws, func() error {
		if err := web.Serve(l.ws); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	start(l.tcp, func() error { return netconn.Serve(serving, l.tcp, hub, netconn.Options{}) })
	start(l.unix, func() error { return netconn.Serve(serving, l.unix, hub, netconn.Options{}) })

	for _, line := range l.lines(s) {
		fmt.Fprintln(stdout, line)
	}
	var failure error
	select {
	case failure = <-failed:
		running--
	case <-ctx.Done():
	}

	logger.Info("shutting down")
	close(ending)
	// The hub first, while its connections still work: it tells everybody, and
	// refuses whoever comes now. Then those who serve, who have nothing left.
	timeout := shutdownTimeout
	if s.state != "" {
		timeout = handOnTimeout
	}
	if s.state != "" || l.inherited {
		// Whoever comes now is for the process that takes the place of this one.
		l.stop()
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := hub.Shutdown(bounded); err != nil {
		logger.Warn("some members were cut off", "error", err)
	}
	if s.state != "" {
		failure = errors.Join(failure, hubfile.Save(s.state, hub))
		cancel() // that one waits: whoever has still not asked for anything is cut off
	}
	stop()
	if err := web.Shutdown(bounded); err != nil {
		_ = web.Close()
	}
	for ; running > 0; running-- {
		failure = errors.Join(failure, <-failed)
	}
	logger.Info("shut down")
	return failure
}

// handle has the ways to the hub served, for origins and hosts that somebody has typed, where a
// wrong one is no mistake in the program.
func handle(mux *http.ServeMux, hub *lectern.Hub, s settings) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("-origin or -host: %v", problem)
		}
	}()
	hosts := s.hosts
	if len(s.origins) == 0 {
		// A page of the same origin may connect. That another one has not made its own
		// name lead here is known by the host alone.
		hosts = append([]string{"localhost"}, hosts...)
	}
	mux.Handle("/ws", websocket.NewHandler(hub, websocket.Options{Origins: s.origins, Hosts: hosts}))
	if s.http {
		mux.Handle("/ws/", httpstream.NewHandler(hub, httpstream.Options{Origins: s.origins, Hosts: hosts}))
	}
	if s.socketio {
		mux.Handle("/socket.io/", socketio.NewHandler(hub, socketio.Options{Origins: s.origins, Hosts: hosts, EIO3: true}))
	}
	return nil
}

// health answers whether the hub takes connections: it does not once it is ending.
func health(ending <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		select {
		case <-ending:
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
		default:
			fmt.Fprintln(w, "ok")
		}
	})
}
