package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// replace replaces the hub behind the proxies, on a port that stays open as the README's units
// have it, while a master and a slave talk. In the end it leaves nothing there.
func (running *programs) replace(ctx context.Context, folder string) error {
	listener, err := net.Listen("tcp", hubAddress)
	if err != nil {
		return err
	}
	defer listener.Close()
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer socket.Close()
	command := []string{filepath.Join(folder, "hub"), "-ws", "fd:3", "-host", className, "-state", filepath.Join(folder, "state")}
	hub, err := running.start("hub", folder, command, socket)
	if err != nil {
		return err
	}
	if err := all(func(p proxy) error { return p.awaitHub(ctx) }); err != nil {
		return err
	}
	talks := make(map[string]*talk)
	for _, p := range proxies {
		talks[p.name] = newTalk(p)
		defer talks[p.name].close()
	}
	if err := all(func(p proxy) error { return talks[p.name].begin(ctx) }); err != nil {
		return err
	}
	for range 3 {
		if err := running.stop(hub); err != nil {
			return err
		}
		if hub, err = running.start("hub", folder, command, socket); err != nil {
			return err
		}
		if err := all(func(p proxy) error { return talks[p.name].goOn(ctx) }); err != nil {
			return err
		}
	}
	for _, p := range proxies {
		refused := talks[p.name].dialer.refused.Load()
		fmt.Printf("behind %s: the hub was replaced, connections refused: %d\n", p.name, refused)
		if refused > 0 {
			return fmt.Errorf("behind %s: %d connections were refused", p.name, refused)
		}
	}
	_, _ = listener.Close(), socket.Close()
	if err := running.stop(hub); err != nil {
		return err
	}
	return all(func(p proxy) error { return p.answersAlone(ctx) })
}

// stop ends the hub in order.
func (running *programs) stop(hub *program) error {
	if err := hub.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := running.wait(hub); err != nil {
		return fmt.Errorf("the hub: %w", err)
	}
	return nil
}

// A talk is between a master and a slave behind a proxy.
type talk struct {
	dialer  *countingDialer
	clients [2]*lectern.Client
	master  *lectern.Master
	slave   *lectern.Slave
	channel string
	said    int
}

// A countingDialer counts what was refused.
type countingDialer struct {
	transport.Dialer
	refused atomic.Int64
}

func (d *countingDialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.Dialer.Dial(ctx)
	if err != nil && ctx.Err() == nil {
		d.refused.Add(1)
	}
	return conn, err
}

func newTalk(p proxy) *talk {
	t := &talk{channel: p.name, dialer: &countingDialer{Dialer: p.dialer(nil)}}
	for i := range t.clients {
		t.clients[i] = lectern.NewClient(t.dialer, lectern.ClientOptions{})
	}
	return t
}

func (t *talk) close() {
	for _, client := range t.clients {
		_ = client.Close()
	}
}

func (t *talk) begin(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if t.master, err = t.clients[0].Create(ctx, t.channel, "alice"); err != nil {
		return err
	}
	if t.slave, err = t.clients[1].Join(ctx, t.channel, "user_one"); err != nil {
		return err
	}
	return t.goOn(ctx)
}

// goOn expects that what the two say next is the next that they hear. While the hub shuts
// down nothing is said.
func (t *talk) goOn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for range 10 {
		t.said++
		text := strconv.Itoa(t.said)
		if _, err := t.master.Broadcast(ctx, lectern.Text(text)); err != nil {
			return err
		}
		got, err := t.slave.Receive(ctx)
		if err != nil || got.Text() != text {
			return fmt.Errorf("a slave hears %q and not %q: %w", got.Text(), text, err)
		}
	}
	return errors.Join(t.master.Err(), t.slave.Err())
}

// answersAlone expects what the README says of the proxies where nobody listens behind them.
func (p proxy) answersAlone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address()+"/ws", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != p.alone {
		return fmt.Errorf("where nobody listens, it answers %s", answer.Status)
	}
	return nil
}
