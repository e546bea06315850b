package faults

import (
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/faults"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
)

// Over httpstream it is the connections of TCP beneath one of a member's that break: mostly the
// member does not notice.
var (
	faultStream = faultNetwork{"httpstream", serveStream, func(a *faultAddress, n *faults.Network) transport.Dialer {
		return streamDialer(a, n, false)
	}}
	faultPolls = faultNetwork{"httpstream by polls", serveStream, func(a *faultAddress, n *faults.Network) transport.Dialer {
		return streamDialer(a, n, true)
	}}
)

func serveStream(hub *lectern.Hub) *faultProcess {
	server := &http.Server{
		Handler:           httpstream.NewHandler(hub, httpstream.Options{Conn: faultTimed}),
		ReadHeaderTimeout: time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	listener := memnet.Listen()
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	return &faultProcess{connect: listener.Dial, stop: func() {
		_ = server.Close()
		serving.Wait()
	}}
}

func streamDialer(a *faultAddress, n *faults.Network, polls bool) transport.Dialer {
	client := &http.Client{Transport: &http.Transport{DialContext: n.NetDial(a.connect), IdleConnTimeout: time.Second}}
	return httpstream.Dialer{URL: "http://lectern.test/class", HTTPClient: client, Polls: polls, Conn: faultProbed}
}
