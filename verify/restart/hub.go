package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/hubfile"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// hubVariable is the environment variable that makes the program a hub. Its value are the
// settings.
const hubVariable = "LECTERN_RESTART_HUB"

// settings are what a hub is run with.
type settings struct {
	State         string // the path of the file
	MasterTimeout time.Duration
	SlaveTimeout  time.Duration
	// Grace is the time that Shutdown has. 0: Shutdown spreads nothing.
	Grace time.Duration
}

func (s settings) policy() lectern.Policy {
	// What a member misses in a second of 500 messages, some times over. The default of 256
	// messages is half a second of it.
	queue := lectern.QueueLimit{Messages: 8192, Bytes: 16 << 20}
	return lectern.Policy{MasterTimeout: s.MasterTimeout, SlaveTimeout: s.SlaveTimeout, Replay: queue, Outbox: queue}
}

// started is what a hub tells when it serves, and stopped when it has been saved.
type started struct {
	Restored bool
	Load     time.Duration
}

type stopped struct {
	Shutdown time.Duration
	Save     time.Duration
	Bytes    int64
	Error    string
}

// The files that a hub is given by who starts it, as systemd passes sockets on.
const (
	wsFile  = 3
	tcpFile = 4
)

// runHub goes on from the file, tells so in a line, and serves until SIGTERM, at which it
// shuts down and saves. It answers each line on its standard input with what that took, and
// ends with it.
func runHub(encoded string) error {
	var s settings
	if err := json.Unmarshal([]byte(encoded), &s); err != nil {
		return err
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	hub, err := lectern.NewHub(s.policy())
	if err != nil {
		return err
	}
	began := time.Now()
	restored, err := hubfile.Load(s.State, hub)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(os.Stdout)
	first := started{Restored: restored, Load: time.Since(began)}
	stop, err := serve(hub)
	if err != nil {
		return err
	}
	if err := answers.Encode(first); err != nil {
		return err
	}
	lines, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
			lines <- struct{}{}
		}
	}()
	select {
	case <-terminated:
	case <-ended:
		return hub.Close()
	}
	last := end(hub, s, stop)
	for {
		select {
		case <-lines:
			if err := answers.Encode(last); err != nil {
				return err
			}
		case <-ended:
			return nil
		}
	}
}

// end shuts the hub down and saves it. Nobody is accepted any more before that: who connects
// from then on waits in the backlog of the listener for the hub that comes.
func end(hub *lectern.Hub, s settings, stopAccepting func()) (told stopped) {
	stopAccepting()
	ctx := context.Background()
	if s.Grace > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Grace)
		defer cancel()
	}
	began := time.Now()
	err := hub.Shutdown(ctx)
	told.Shutdown = time.Since(began)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // some have taken longer, and were cut off
	}
	began = time.Now()
	err = errors.Join(err, hubfile.Save(s.State, hub))
	told.Save = time.Since(began)
	if info, statErr := os.Stat(s.State); statErr == nil {
		told.Bytes = info.Size()
	} else {
		err = errors.Join(err, statErr)
	}
	if err != nil {
		told.Error = err.Error()
	}
	return told
}

// serve serves the hub on the listeners that were passed on. What it returns stops accepting.
func serve(hub *lectern.Hub) (stop func(), err error) {
	ws, err := passedOn(wsFile)
	if err != nil {
		return nil, err
	}
	tcp, err := passedOn(tcpFile)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: websocket.NewHandler(hub, websocket.Options{}), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(ws) }()
	quiet := &quietListener{Listener: tcp, closed: make(chan struct{})}
	go func() { _ = netconn.Serve(context.Background(), quiet, hub, netconn.Options{}) }()
	return func() {
		_ = ws.Close()
		_ = tcp.Close()
	}, nil
}

func passedOn(number uintptr) (net.Listener, error) {
	file := os.NewFile(number, fmt.Sprint("listener ", number))
	defer file.Close()
	return net.FileListener(file)
}

// quietListener accepts nobody any more once the listener in it is closed, and does not say
// so: netconn.Serve would take it for the end, and close the connections that there are.
type quietListener struct {
	net.Listener
	once   sync.Once
	closed chan struct{}
}

func (l *quietListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if errors.Is(err, net.ErrClosed) {
		<-l.closed
	}
	return conn, err
}

func (l *quietListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
