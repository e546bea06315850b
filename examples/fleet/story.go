package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/netconn"
)

type fleet struct {
	ctx     context.Context
	out     io.Writer
	ca      *authority
	address string
	clients []*lectern.Client
}

// wire is the link of one member, which can be cut without a word.
type wire struct {
	mu   sync.Mutex
	cut  bool
	conn net.Conn
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		conn.Close()
		return nil, errors.New("the link is cut")
	}
	w.conn = conn
	return conn, nil
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut = cut; cut {
		w.conn.Close()
	}
}

func (f *fleet) says(format string, args ...any) { fmt.Fprintf(f.out, format+"\n", args...) }

func (f *fleet) client(name string) (*lectern.Client, *wire, error) {
	config, err := f.ca.issue(name)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{}
	c := lectern.NewClient(netconn.Dialer{Address: f.address, TLSConfig: config, NetDialContext: w.dial},
		lectern.ClientOptions{MinBackoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond})
	f.clients = append(f.clients, c)
	return c, w, nil
}

// sees waits until the controller is told of that state.
func (f *fleet) sees(m *lectern.Master, name string, state lectern.State) error {
	for event, err := range m.Events(f.ctx) {
		if err != nil {
			return fmt.Errorf("the controller should see %s %s: %w", name, state, err)
		}
		if p, ok := event.(lectern.Presence); ok && p.Username == name && p.State == state {
			f.says("controller: %s is %s", name, state)
			return nil
		}
	}
	return errors.New("no events")
}

func (f *fleet) gets(s *lectern.Slave, do string) error {
	message, err := s.Receive(f.ctx)
	var c command
	if err == nil {
		err = message.Decode(&c)
	}
	if err != nil {
		return fmt.Errorf("%s should get %q: %w", s.Username(), do, err)
	}
	if c.Do != do {
		return fmt.Errorf("%s should get %q, and gets %q", s.Username(), do, c.Do)
	}
	f.says("%s: told to %s", s.Username(), do)
	return nil
}

func (f *fleet) play() error {
	boss, bossWire, err := f.client("controller")
	if err != nil {
		return err
	}
	controller, err := boss.Create(f.ctx, "fleet", "controller")
	if err != nil {
		return err
	}
	var workers [2]*lectern.Slave
	var wires [2]*wire
	for i, name := range []string{"one", "two"} {
		c, w, err := f.client(name)
		if err != nil {
			return err
		}
		if workers[i], err = c.Join(f.ctx, "fleet", name); err != nil {
			return err
		}
		wires[i] = w
		if err := f.sees(controller, name, lectern.StateOnline); err != nil {
			return err
		}
	}
	liar, _, err := f.client("three")
	if err != nil {
		return err
	}
	if _, err := liar.Join(f.ctx, "fleet", "four"); !errors.Is(err, lectern.ErrUnauthorized) {
		return fmt.Errorf("three as four should be unauthorized: %v", err)
	}
	f.says("three: refused as four")
	third, err := liar.Join(f.ctx, "fleet", "three")
	if err != nil {
		return err
	}
	if err := f.sees(controller, "three", lectern.StateOnline); err != nil {
		return err
	}

	if _, err := controller.Broadcast(f.ctx, lectern.JSON(command{"start"})); err != nil {
		return err
	}
	if _, err := controller.Send(f.ctx, "one", lectern.JSON(command{"turn"})); err != nil {
		return err
	}
	if err := errors.Join(f.gets(workers[0], "start"), f.gets(workers[0], "turn"), f.gets(workers[1], "start"), f.gets(third, "start")); err != nil {
		return err
	}
	if _, err := workers[0].Send(f.ctx, lectern.JSON(command{"turned"})); err != nil {
		return err
	}
	for event, err := range controller.Events(f.ctx) {
		if err != nil {
			return err
		}
		if m, ok := event.(lectern.Message); ok {
			f.says("controller: %s reports %s", m.From, m.Text())
			break
		}
	}

	// One comes back in time, and gets what it was told meanwhile.
	wires[0].set(true)
	if err := f.sees(controller, "one", lectern.StateAway); err != nil {
		return err
	}
	if _, err := controller.Send(f.ctx, "one", lectern.JSON(command{"stop"})); err != nil {
		return err
	}
	wires[0].set(false)
	if err := errors.Join(f.sees(controller, "one", lectern.StateOnline), f.gets(workers[0], "stop")); err != nil {
		return err
	}
	// Two does not.
	wires[1].set(true)
	if err := f.sees(controller, "two", lectern.StateAway); err != nil {
		return err
	}
	if err := f.sees(controller, "two", lectern.StateGone); err != nil {
		return err
	}
	// The controller is lost, and with it everybody is out.
	bossWire.set(true)
	for _, worker := range []*lectern.Slave{workers[0], third} {
		select {
		case <-worker.Done():
		case <-f.ctx.Done():
			return fmt.Errorf("%s should be out by now", worker.Username())
		}
		if !errors.Is(worker.Err(), lectern.ErrMasterDown) {
			return fmt.Errorf("%s should be out with master_down, not %v", worker.Username(), worker.Err())
		}
		f.says("%s: out, %v", worker.Username(), worker.Err())
	}
	return nil
}
