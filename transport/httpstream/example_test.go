package httpstream_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/httpstream"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A hub is reached by WebSocket, and by plain HTTP where that is blocked, on one port.
func Example() {
	hub, err := lectern.NewHub(lectern.Policy{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", websocket.NewHandler(hub, websocket.Options{}))
	mux.Handle("/class/", httpstream.NewHandler(hub, httpstream.Options{}))
	server := httptest.NewServer(mux)
	defer server.Close()
	defer hub.Close()

	ctx := context.Background()
	client := lectern.NewClient(httpstream.Dialer{URL: server.URL + "/class"}, lectern.ClientOptions{})
	defer client.Close()
	master, err := hub.Create(ctx, "abc123", "alice")
	if err != nil {
		log.Fatal(err)
	}
	member, err := client.Join(ctx, "abc123", "user_one")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := master.Broadcast(ctx, lectern.Text("what is going on")); err != nil {
		log.Fatal(err)
	}
	message, err := member.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(message.From, message.Text())
	// Output: alice what is going on
}

// What a member has shown when it opened its connection is there for Authorize.
func ExampleRequestFromContext() {
	policy := lectern.Policy{Authorize: func(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
		if request, ok := httpstream.RequestFromContext(ctx); !ok || request.Header.Get("Authorization") != "Bearer token" {
			return lectern.Identity{}, lectern.ErrUnauthorized.WithText("show a token")
		}
		return lectern.Identity{AsAsked: true}, nil
	}}
	hub, err := lectern.NewHub(policy)
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(httpstream.NewHandler(hub, httpstream.Options{}))
	defer server.Close()
	defer hub.Close()
	for _, token := range []string{"Bearer token", "Bearer another"} {
		client := lectern.NewClient(httpstream.Dialer{
			URL: server.URL, Header: http.Header{"Authorization": {token}},
		}, lectern.ClientOptions{})
		_, err := client.Create(context.Background(), "abc123", "alice")
		fmt.Println(err)
		_ = client.Close()
	}
	// Output:
	// <nil>
	// lectern: unauthorized: show a token
}
