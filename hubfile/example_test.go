package hubfile_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/hubfile"
	"github.com/lectern-go/lectern/transport"
)

// An address leads to the process that is there: here to a hub in this one.
type address struct{ hub atomic.Pointer[lectern.Hub] }

func (a *address) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := a.hub.Load().Dial(ctx)
	if err != nil {
		return nil, errors.New("connection refused")
	}
	return conn, nil
}

// start is what a program does at its start.
func start(file string) *lectern.Hub {
	hub, err := lectern.NewHub(lectern.Policy{})
	if err != nil {
		log.Fatal(err)
	}
	restored, err := hubfile.Load(file, hub)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("restored:", restored)
	return hub // it serves from now on
}

// end is what a program does at SIGTERM.
func end(file string, hub *lectern.Hub) {
	shutdown(hub)
	save(file, hub)
}

func shutdown(hub *lectern.Hub) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := hub.Shutdown(ctx); err != nil {
		log.Println("some connections were cut off:", err)
	}
}

func save(file string, hub *lectern.Hub) {
	if err := hubfile.Save(file, hub); err != nil {
		log.Fatal(err)
	}
}

// The process of a hub is replaced, and its members go on where they were.
func Example() {
	folder, err := os.MkdirTemp("", "lectern")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "state")

	var here address
	here.hub.Store(start(file))
	ctx := context.Background()
	client := lectern.NewClient(&here, lectern.ClientOptions{}) // a websocket.Dialer, elsewhere
	defer client.Close()
	master, err := client.Create(ctx, "abc123", "alice")
	if err != nil {
		log.Fatal(err)
	}
	other := lectern.NewClient(&here, lectern.ClientOptions{})
	defer other.Close()
	slave, err := other.Join(ctx, "abc123", "user_one")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := master.Broadcast(ctx, lectern.Text("before")); err != nil {
		log.Fatal(err)
	}

	end(file, here.hub.Load())
	here.hub.Store(start(file))
	defer func() { _ = here.hub.Load().Close() }()

	if _, err := master.Broadcast(ctx, lectern.Text("after")); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		message, err := slave.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(message.From, "says", message.Text())
	}
	// Output:
	// restored: false
	// restored: true
	// alice says before
	// alice says after
}
