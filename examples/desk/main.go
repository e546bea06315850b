// Desk is a support desk in one program: an agent who has 200 customers at once, over one
// connection, and hands one over to a colleague, who sees what is known of the customer and
// answers what is still open. It prints what happens, and its exit status is 0 if all of it was
// as it should be.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/websocket"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "desk:", err)
		os.Exit(1)
	}
}

// run serves a hub on the loopback interface, and plays the story over it.
func run(ctx context.Context, out io.Writer) (err error) {
	hub, err := lectern.NewHub(policy())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: websocket.NewHandler(hub, websocket.Options{}), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, hub.Shutdown(bounded), server.Close())
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}()
	return story(ctx, out, hub, websocket.Dialer{URL: "ws://" + listener.Addr().String()}, 200, func() {})
}
