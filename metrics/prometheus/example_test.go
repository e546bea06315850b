package lecternprom_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lectern-go/lectern"
	lecternprom "github.com/lectern-go/lectern/metrics/prometheus"
)

func Example() {
	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	observer, err := lecternprom.NewObserver(registry, lecternprom.Options{})
	if err != nil {
		log.Fatal(err)
	}
	hub, err := lectern.NewHub(lectern.Policy{Observer: observer})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{}) // for http.Handle("/metrics", …)

	ctx := context.Background()
	master, err := hub.Create(ctx, "abc123", "alice")
	if err != nil {
		log.Fatal(err)
	}
	for _, username := range []string{"user_one", "user_two"} {
		if _, err := hub.Join(ctx, "abc123", username); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := master.Broadcast(ctx, lectern.Text("what is going on?")); err != nil {
		log.Fatal(err)
	}
	// A message is counted once it is delivered, and before anybody joins behind it.
	if _, err := hub.Join(ctx, "abc123", "user_three"); err != nil {
		log.Fatal(err)
	}

	page := httptest.NewRecorder()
	metrics.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(page.Body.String()) {
		if strings.HasPrefix(line, "lectern_slaves") || strings.HasPrefix(line, "lectern_messages_sent_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// lectern_messages_sent_total{role="master"} 0
	// lectern_messages_sent_total{role="slave"} 2
	// lectern_slaves 3
}
