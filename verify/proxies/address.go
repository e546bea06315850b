package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/websocket"
)

// addresses are the X-Forwarded-For that requests had, by the name of their user.
type addresses struct {
	mu  sync.Mutex
	all map[string][]string
}

// serveAuthorizing serves a hub in the place of examples/hub, whose Authorize looks at
// where clients come from, as a service would.
func serveAuthorizing() (end func(), _ *addresses, err error) {
	seen := &addresses{all: make(map[string][]string)}
	hub, err := lectern.NewHub(lectern.Policy{
		Authorize: func(ctx context.Context, request lectern.AuthRequest) (lectern.Identity, error) {
			r, ok := websocket.RequestFromContext(ctx)
			if !ok {
				return lectern.Identity{}, errors.New("there is no request")
			}
			seen.mu.Lock()
			defer seen.mu.Unlock()
			seen.all[request.Username] = r.Header.Values("X-Forwarded-For")
			return lectern.Identity{AsAsked: true}, nil
		},
	})
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", hubAddress)
	if err != nil {
		_ = hub.Close()
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", websocket.NewHandler(hub, websocket.Options{}))
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	return func() {
		_ = hub.Close()
		_ = server.Close()
		<-done
	}, seen, nil
}

// tellsAddress expects that the hub learns the client's address, and not what the client
// says of it.
func (p proxy) tellsAddress(ctx context.Context, seen *addresses) error {
	if err := p.awaitHub(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := lectern.NewClient(p.dialer(nil), lectern.ClientOptions{})
	defer client.Close()
	if _, err := client.Create(ctx, p.name, p.name); err != nil {
		return err
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if got := seen.all[p.name]; !slices.Equal(got, []string{"127.0.0.1"}) {
		return fmt.Errorf("X-Forwarded-For is %q", got)
	}
	return nil
}
