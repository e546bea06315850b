// Upgrade is a hub that replaces its own process, by tableflip: at SIGHUP it starts the program
// that is now at its path, hands its listener on, and what it has by a file. Members stay in
// their channels, and nobody who connects meanwhile is refused.
//
//	upgrade -ws 127.0.0.1:8080 -state lectern.state -pid upgrade.pid
//
// Once it serves it prints one line, and so does each process that takes its place:
//
//	1234 serves ws://127.0.0.1:8080/ws
//
// SIGTERM and SIGINT end it in order, and the next start goes on from the file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloudflare/tableflip"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/hubfile"
	"github.com/lectern-go/lectern/transport/websocket"
)

func main() {
	address := flag.String("ws", "127.0.0.1:8080", "serve WebSocket on this `address`, under /ws")
	state := flag.String("state", "lectern.state", "what the next process goes on from is in this `file`")
	pid := flag.String("pid", "", "write the number of the process that serves to this `file`")
	flag.Parse()
	if err := run(*address, *state, *pid); err != nil {
		fmt.Fprintln(os.Stderr, "upgrade:", err)
		os.Exit(1)
	}
}

// The hub shuts down within this time, in which nobody's messages are accepted: it is short.
// What slow members have not taken by then is in the file.
const shutdownTimeout = time.Second

// parentTimeout bounds how long the process waits for the one whose place it takes.
const parentTimeout = 30 * time.Second

func run(address, state, pid string) error {
	upgrader, err := tableflip.New(tableflip.Options{PIDFile: pid})
	if err != nil {
		return err
	}
	defer upgrader.Stop()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	go func() {
		for s := range signals {
			if s != syscall.SIGHUP {
				upgrader.Stop()
			} else if err := upgrader.Upgrade(); err != nil {
				slog.Error("this process goes on", "error", err)
			}
		}
	}()

	hub, err := lectern.NewHub(lectern.Policy{Logger: slog.Default()})
	if err != nil {
		return err
	}
	defer hub.Close()
	listener, err := upgrader.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer listener.Close()
	mux := http.NewServeMux()
	mux.Handle("/ws", websocket.NewHandler(hub, websocket.Options{}))
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}

	// From Ready on the parent ends, and saves what it has before it does. Whoever connects
	// meanwhile waits in the listener's backlog. So everything that can fail has been done.
	if err := upgrader.Ready(); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(context.Background(), parentTimeout)
	defer cancel()
	if err := upgrader.WaitForParent(waiting); err != nil {
		return fmt.Errorf("waiting for the process before this one: %w", err)
	}
	if _, err := hubfile.Load(state, hub); err != nil {
		return fmt.Errorf("%w; remove the file to begin without it", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Printf("%d serves ws://%s/ws\n", os.Getpid(), listener.Addr())
	select {
	case err = <-failed:
	case <-upgrader.Exit():
	}
	return errors.Join(err, handOn(hub, server, listener, state))
}

// handOn leaves everything to the process that takes the place of this one, or that is started
// later.
func handOn(hub *lectern.Hub, server *http.Server, listener net.Listener, state string) error {
	_ = listener.Close() // this process's own part of it: connections that were accepted stay
	bounded, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := hub.Shutdown(bounded); err != nil {
		slog.Warn("some connections were cut off", "error", err)
	}
	err := hubfile.Save(state, hub)
	_ = server.Close()
	return err
}
