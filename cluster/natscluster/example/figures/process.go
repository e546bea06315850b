//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster/natscluster"
	"github.com/lectern-go/lectern/internal/process"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// What this program is as a process of its own.
const (
	roleNode    = "node"
	roleHub     = "hub"
	roleMembers = "members"
)

// beProcess is one of them: until its input ends.
func beProcess(role string, args []string) error {
	switch {
	case role == roleNode && len(args) == 5:
		return runNode(args[0], args[1], args[2], args[3], args[4])
	case role == roleHub && len(args) == 2:
		return runHub(args[0], args[1])
	case role == roleMembers && len(args) == 4:
		return runMembers(args[0], args[1], args[2], args[3])
	}
	return fmt.Errorf("no role: %s %v", role, args)
}

// startProcess starts this program as something.
func startProcess(role string, args ...string) (*process.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return process.Start(cmd)
}

// answer answers each line of the input until that ends.
func answer(in io.Reader, out io.Writer, how func(question string) any) error {
	lines := bufio.NewScanner(in)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		if err := encoder.Encode(how(lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}

const (
	openTimeout = 30 * time.Second
	// shutdownTimeout is how long a hub that is stopped has for its connections.
	shutdownTimeout = 8 * time.Second
	stopPatience    = 30 * time.Second
)

// policy has no bounds that a measurement would meet.
func policy() lectern.Policy {
	none := lectern.RateLimit{PerSecond: -1}
	return lectern.Policy{MaxSlaves: -1, MaxChannels: -1, MaxConnections: -1, FrameRate: none, SlaveMessageRate: none, MembershipRate: none}
}

// options are those of the cluster.
func options() natscluster.Options { return natscluster.Options{Name: "figures"} }

func openEngine(servers string) (*natscluster.Engine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	return natscluster.Open(ctx, servers, options())
}

// runHub is a hub at the address, of the cluster of these servers, or where there are none by itself.
func runHub(servers, address string) error {
	p := policy()
	if servers != "" {
		engine, err := openEngine(servers)
		if err != nil {
			return err
		}
		defer engine.Close()
		p.Cluster = engine
	}
	hub, err := lectern.NewHub(p)
	if err != nil {
		return err
	}
	defer hub.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: websocket.NewHandler(hub, websocket.Options{}), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	fmt.Println(listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = listener.Close() // who comes now finds the others
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err = hub.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		err = nil // what comes of that is measured
	}
	_ = web.Close()
	<-served
	return err
}

// hubs are processes, at addresses that they have again when they are started again.
type hubs struct {
	servers   string
	addresses []string
	running
}

// running are processes by their numbers. Nil: none.
type running []*process.Process

func (r running) kill(i int) error {
	p := r[i]
	r[i] = nil
	return p.Kill()
}

func (r running) stop(i int) error {
	p := r[i]
	r[i] = nil
	return p.Stop(stopPatience)
}

// startHubs starts so many.
func startHubs(servers string, n int) (*hubs, error) {
	h := &hubs{servers: servers, running: make([]*process.Process, n), addresses: make([]string, n)}
	for i := range n {
		h.addresses[i] = "127.0.0.1:0"
		if err := h.start(i); err != nil {
			h.close()
			return nil, err
		}
		h.addresses[i] = h.running[i].Address
	}
	return h, nil
}

func (h *hubs) start(i int) (err error) {
	h.running[i], err = startProcess(roleHub, h.servers, h.addresses[i])
	return err
}

func (h *hubs) close() {
	for i, p := range h.running {
		if p != nil {
			_ = h.kill(i)
		}
	}
}

// dialer leads to a hub alone.
func (h *hubs) dialer(i int) transport.Dialer {
	return websocket.Dialer{URL: "ws://" + h.addresses[i] + "/"}
}

// anyFrom leads to any hub, and to that one first.
func (h *hubs) anyFrom(i int) transport.Dialer {
	var all []transport.Dialer
	for k := range h.addresses {
		all = append(all, h.dialer((i+k)%len(h.addresses)))
	}
	return transport.DialAny(all...)
}

// spread is so many of them, one hub after the other first.
func (h *hubs) spread(first, n int) (all []transport.Dialer) {
	for k := range n {
		all = append(all, h.anyFrom(first+k))
	}
	return all
}

// list is a list of servers.
func list(addresses []string) string { return "nats://" + strings.Join(addresses, ",nats://") }
