package transport_test

import (
	"fmt"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A client of two processes, of which one takes the other's place.
func ExampleDialAny() {
	dialer := transport.DialAny(
		websocket.Dialer{URL: "wss://one.example.com/channels"},
		websocket.Dialer{URL: "wss://two.example.com/channels"},
	)
	client := lectern.NewClient(dialer, lectern.ClientOptions{})
	defer client.Close()
	fmt.Println("a membership is lost when", transport.Places(dialer), "hubs do not have it")
	// Output: a membership is lost when 2 hubs do not have it
}
