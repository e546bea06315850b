package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/examples/classroom/page"
	"github.com/lectern-go/lectern/hubfile"
	"github.com/lectern-go/lectern/transport/httpstream"
	"github.com/lectern-go/lectern/transport/socketio"
	"github.com/lectern-go/lectern/transport/websocket"
)

// shutdownTimeout bounds the orderly end. Who takes longer is cut off.
const shutdownTimeout = 3 * time.Second

// restartTimeout is the same with -state. It is short, because a class waits for the next start,
// and loses nothing: what somebody has not taken yet is in the file too.
const restartTimeout = time.Second

// serve serves the page and its hub until ctx is done or the listener fails.
func serve(ctx context.Context, s settings, stdout, stderr io.Writer) error {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	policy := s.policy()
	policy.Logger = logger
	hub, err := lectern.NewHub(policy)
	if err != nil {
		return err
	}
	connections := http.NewServeMux()
	if err := handle(connections, hub, s.hosts); err != nil {
		_ = hub.Close()
		return err
	}
	if s.state != "" {
		unlock, err := hubfile.Lock(s.state)
		if err != nil {
			_ = hub.Close()
			return fmt.Errorf("-state: %w", err)
		}
		defer unlock()
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		_ = hub.Close()
		return err
	}
	if s.state != "" {
		// Once nothing else can fail: the file is gone then. Whoever connects already waits.
		restored, err := hubfile.Load(s.state, hub)
		if err != nil {
			_ = listener.Close()
			_ = hub.Close()
			if errors.Is(err, lectern.ErrBadState) || errors.Is(err, lectern.ErrOverPolicy) {
				return fmt.Errorf("-state: %w; remove the file to begin without it", err)
			}
			return fmt.Errorf("-state: %w", err)
		}
		if !restored {
			// After a crash, this is why everybody is told hub_lost.
			logger.Info("nothing to restore, the program begins without classes", "state", s.state)
		}
	}
	web := &http.Server{
		Handler: page.Handler(connections),
		// What WebSocket leaves to the server.
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	for _, address := range addresses(listener.Addr().(*net.TCPAddr), net.InterfaceAddrs) {
		fmt.Fprintf(stdout, "classroom %s\n", address)
	}

	var failure error
	served := false
	select {
	case failure = <-failed:
		served = true
	case <-ctx.Done():
	}
	timeout := shutdownTimeout
	if s.state != "" {
		timeout = restartTimeout
		_ = listener.Close() // whoever comes now is for the next start
	}
	// The hub first, while its connections still work: it tells everybody.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := hub.Shutdown(bounded); err != nil {
		logger.Warn("some members were cut off", "error", err)
	}
	var unsaved error
	if s.state != "" {
		unsaved = hubfile.Save(s.state, hub)
		cancel() // the class waits: nobody else is waited for
	}
	if err := web.Shutdown(bounded); err != nil {
		_ = web.Close()
	}
	if !served {
		failure = <-failed
	}
	if errors.Is(failure, http.ErrServerClosed) || s.state != "" && errors.Is(failure, net.ErrClosed) {
		failure = nil
	}
	return errors.Join(failure, unsaved)
}

// handle has the ways to the hub served, for the pages of this program: those that were asked
// for under one of the hosts, the computer's own names or an address. Plain HTTP is for those whose
// network lets no WebSocket through, and is where the page's client looks for it. The page itself has no
// need of socket.io, which is for others who want to take part in a class.
func handle(mux *http.ServeMux, hub *lectern.Hub, hosts []string) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("-host: %v", problem)
		}
	}()
	hosts = append(ownNames(os.Hostname()), hosts...)
	mux.Handle("/ws", websocket.NewHandler(hub, websocket.Options{Hosts: hosts}))
	mux.Handle("/socket.io/", socketio.NewHandler(hub, socketio.Options{Hosts: hosts, EIO3: true}))
	mux.Handle("/ws/", httpstream.NewHandler(hub, httpstream.Options{Hosts: hosts}))
	return nil
}

// ownNames are those under which a network that has no other knows this computer.
func ownNames(name string, err error) []string {
	names := []string{"localhost"}
	name = strings.ToLower(strings.TrimSuffix(name, ".local"))
	if err == nil && plainName.MatchString(name) {
		names = append(names, name, name+".local")
	}
	return names
}

// plainName is a name that nobody on the Internet can own, since it has no dot.
var plainName = regexp.MustCompile(`^[a-z_-][a-z0-9_-]*$`)

// addresses are those of the page, the one for this computer first. Where it
// listens on every interface, the others are for the same network.
func addresses(at *net.TCPAddr, interfaces func() ([]net.Addr, error)) []string {
	page := func(host string) string {
		return "http://" + net.JoinHostPort(host, strconv.Itoa(at.Port)) + "/"
	}
	if !at.IP.IsUnspecified() {
		return []string{page(at.IP.String())}
	}
	list := []string{page("localhost")}
	// Without them the page works all the same.
	others, _ := interfaces()
	for _, other := range others {
		if network, ok := other.(*net.IPNet); ok && network.IP.To4() != nil && !network.IP.IsLoopback() {
			list = append(list, page(network.IP.String()))
		}
	}
	return list
}
