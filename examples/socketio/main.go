// Socketio is a page for stock socket.io clients, with the hub that it talks to: one tab of a
// browser opens a channel, others join it.
//
//	socketio -addr 127.0.0.1:8000
//
// The page gets the client's script from cdn.socket.io, or with -client from a file, such as
// node_modules/socket.io-client/dist/socket.io.js. Versions 2, 3 and 4 do. Once it listens it
// prints the page's address, so that port 0 can be used.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/socketio"
)

//go:embed index.html
var page []byte

const cdn = "https://cdn.socket.io/4.8.4/socket.io.min.js"

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "serve on this `address`")
	client := flag.String("client", "", "the `file` of the client's script; without it, that is "+cdn)
	flag.Parse()

	hub, err := lectern.NewHub(policy())
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("page http://%s/\n", listener.Addr())
	server := &http.Server{Handler: handler(hub, *client), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	log.Fatal(server.Serve(listener))
}

// policy lets a socket be connected for a while before its user has chosen a channel.
func policy() lectern.Policy { return lectern.Policy{HandshakeTimeout: time.Hour} }

// handler serves the page, the client's script, and the hub.
func handler(hub *lectern.Hub, client string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) })
	mux.HandleFunc("GET /client.js", func(w http.ResponseWriter, r *http.Request) {
		if client == "" {
			http.Redirect(w, r, cdn, http.StatusFound)
			return
		}
		http.ServeFile(w, r, client)
	})
	mux.Handle("/socket.io/", socketio.NewHandler(hub, socketio.Options{EIO3: true})) // with clients of 2.x
	return mux
}
