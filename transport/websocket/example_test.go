package websocket_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// echo stands for a lectern.Hub: it is what the connections are for.
type echo struct{}

func (echo) Serve(_ context.Context, conn transport.Conn) error {
	defer conn.Close(transport.Reason{Code: transport.Left})
	for {
		message, err := conn.Read()
		if err != nil {
			return err
		}
		if err := conn.Write(message); err != nil {
			return err
		}
	}
}

func ExampleNewHandler() {
	mux := http.NewServeMux()
	mux.Handle("GET /ws", websocket.NewHandler(echo{}, websocket.Options{
		Origins: []string{"https://app.example.com", "http://localhost:5173"},
	}))
	server := &http.Server{
		Addr:    ":8080",
		Handler: mux,
		// Ends a client that never completes its request. Nothing else does.
		ReadHeaderTimeout: 5 * time.Second,
		// And these bound what it can make the server hold, and for how long.
		MaxHeaderBytes: 16 << 10,
		IdleTimeout:    time.Minute,
	}
	_ = server // log.Fatal(server.ListenAndServe())
}

func ExampleDialer() {
	server := httptest.NewServer(websocket.NewHandler(echo{}, websocket.Options{}))
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := websocket.Dialer{URL: strings.Replace(server.URL, "http", "ws", 1)}.Dial(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close(transport.Reason{Code: transport.Left})
	conn.Write([]byte(`{"hello":"there"}`))
	message, _ := conn.Read()
	fmt.Printf("%s\n", message)
	// Output: {"hello":"there"}
}
