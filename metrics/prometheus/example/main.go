// Example is a hub over WebSocket that shows its metrics to Prometheus.
//
//	example -addr :8080
//
// Once it listens it prints where, so that port 0 can be used:
//
//	ws ws://127.0.0.1:8080/ws
//	metrics http://127.0.0.1:8080/metrics
//
// In a service that others can reach, the metrics belong on an address of their
// own. SIGINT or SIGTERM ends the program in order.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lectern-go/lectern"
	lecternprom "github.com/lectern-go/lectern/metrics/prometheus"
	"github.com/lectern-go/lectern/transport/websocket"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on this `address`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on, the next one has its usual effect.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, *addr, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run is the program. It returns when ctx is done and everything has ended.
func run(ctx context.Context, addr string, stdout io.Writer) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	observer, err := lecternprom.NewObserver(registry, lecternprom.Options{})
	if err != nil {
		return err
	}
	hub, err := lectern.NewHub(lectern.Policy{Observer: observer})
	if err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("GET /ws", websocket.NewHandler(hub, websocket.Options{}))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "ws ws://%s/ws\nmetrics http://%s/metrics\n", listener.Addr(), listener.Addr())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	select {
	case err := <-served:
		return errors.Join(err, hub.Close())
	case <-ctx.Done():
	}
	// The hub first, while its connections still work: it tells its members.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = errors.Join(hub.Shutdown(bounded), server.Shutdown(bounded))
	<-served
	return err
}
