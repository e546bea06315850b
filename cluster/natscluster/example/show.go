package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

//go:embed page.html
var pageHTML []byte

// show serves the page until ctx ends.
func show(ctx context.Context, l *laptop, s settings, out io.Writer) error {
	listener, err := net.Listen("tcp", addressAt(s.port, 0))
	if err != nil {
		return err
	}
	members, end := context.WithCancel(ctx)
	t, err := startClasses(members, members, s.classes, s.slaves, l.dialer)
	defer t.close()
	defer end()
	if err != nil {
		_ = listener.Close()
		return err
	}
	web := &http.Server{Handler: pageOf(l, t), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	fmt.Fprintf(out, "example http://%s/\n", listener.Addr())
	for _, p := range l.hubs {
		fmt.Fprintf(out, "%s, a classroom: %s\n", p.name, p.URL())
	}
	fmt.Fprintf(out, "a classroom at any of them: http://%s/\n", l.door.Addr())
	select {
	case err = <-failed:
		return err
	case <-ctx.Done():
	}
	_ = web.Close()
	if err = <-failed; errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// A picture is what the page shows.
type picture struct {
	Hubs []hubPicture
	Door string
	// What becomes of what the classes send.
	Acknowledged, Heard                         uint64
	Doubled, OutOfOrder, Evicted, Strange, Busy uint64
	PauseMS                                     int64 // since the last picture
	Classes                                     int
}

type hubPicture struct {
	Name, URL, State string
	Report           *report // nil: it has not answered
}

// pageOf is the page and its buttons, for this computer alone.
func pageOf(l *laptop, t *tally) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(pageHTML)
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(pictureOf(r.Context(), l, t))
	})
	mux.HandleFunc("POST /do/{hub}/{what}", func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(r.PathValue("hub"))
		do := buttons[r.PathValue("what")]
		if err != nil || i < 0 || i >= len(l.hubs) || do == nil {
			http.NotFound(w, r)
			return
		}
		if err := do(l.hubs[i]); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	protection := http.NewCrossOriginProtection() // no other page presses the buttons
	return protection.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, _ := net.SplitHostPort(r.Host); host != "127.0.0.1" && host != "localhost" {
			http.Error(w, "for this computer alone", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
		mux.ServeHTTP(w, r)
	}))
}

// buttons are what may be done to a hub.
var buttons = map[string]func(*process) error{
	"kill":   (*process).Kill,
	"start":  (*process).Start,
	"stop":   (*process).Stop,
	"freeze": (*process).Freeze,
	"thaw":   (*process).Thaw,
	"cut":    func(p *process) error { p.network.Cut(); return nil },
	"mend":   func(p *process) error { p.network.Mend(); return nil },
}

func pictureOf(ctx context.Context, l *laptop, t *tally) picture {
	pause, _ := t.takePause()
	p := picture{
		Door: "http://" + l.door.Addr() + "/", Acknowledged: t.sent.Load(), Heard: t.received.Load(),
		Doubled: t.doubled.Load(), OutOfOrder: t.disordered.Load(), Evicted: t.evicted.Load(), Strange: t.strange.Load(),
		Busy: t.refused.Load(), PauseMS: pause.Milliseconds(), Classes: len(t.classes),
	}
	for i, r := range l.Reports(ctx) {
		hub := l.hubs[i]
		p.Hubs = append(p.Hubs, hubPicture{Name: hub.name, URL: hub.URL(), State: hub.State(), Report: r})
	}
	return p
}
