package websocket_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/websocket"
)

// byPath admits to the room in the path alone. It asks the request for it, and not the
// context by the router's own function: a router has that for the first create or join on
// a connection at most.
func byPath(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	request, ok := websocket.RequestFromContext(ctx)
	if !ok || request.PathValue("room") != r.Channel {
		return lectern.Identity{}, lectern.ErrUnauthorized
	}
	return lectern.Identity{AsAsked: true}, nil
}

// The values of the path are there for each call of Authorize, where the router sets them
// by SetPathValue: http.ServeMux, chi and echo's WrapHandler do.
func ExampleRequestFromContext_path() {
	hub, err := lectern.NewHub(lectern.Policy{Authorize: byPath})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}/ws", websocket.NewHandler(hub, websocket.Options{}))
	server := httptest.NewServer(mux)
	defer server.Close()

	dialer := websocket.Dialer{URL: strings.Replace(server.URL, "http", "ws", 1) + "/rooms/blue/ws"}
	client := lectern.NewClient(dialer, lectern.ClientOptions{})
	defer client.Close()
	master, err := client.Create(context.Background(), "blue", "alice")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(master.Username(), "is in the room")
	_, err = client.Create(context.Background(), "green", "alice")
	fmt.Println("another room:", err)
	// Output:
	// alice is in the room
	// another room: lectern: unauthorized: the service does not allow "alice" this create of "green"
}
