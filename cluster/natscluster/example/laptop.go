package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/lectern-go/lectern/cluster/natscluster/embed"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// hubUser is the name and the password of the user of NATS that the hubs are.
const hubUser = "hub"

// A laptop is the whole cluster: one node of NATS in this process, or three as processes of their own, and hubs as such.
type laptop struct {
	servers *embed.Servers // nil: there are nodes
	nodes   []*process
	hubs    []*process
	// door leads to any of the hubs, as a load balancer does.
	door *relay
}

// startLaptop starts it. What NATS keeps and what the hubs log is in the folder. With a port, that of the first hub,
// the others and the door have those that follow; otherwise free ones are taken.
func startLaptop(dir string, hubs, port int) (_ *laptop, err error) {
	l := &laptop{}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if l.servers, err = embed.Start(embed.Options{Dir: dir, Configure: configure}); err != nil {
		return nil, err
	}
	servers := l.servers.Node(0).Addr().String()
	for i := range hubs {
		address := addressAt(port, i)
		if port == 0 {
			if address, err = freeAddress(); err != nil {
				return nil, err
			}
		}
		p, err := newProcess("hub-"+strconv.Itoa(i+1), address, servers, dir)
		if err != nil {
			return nil, err
		}
		l.hubs = append(l.hubs, p)
	}
	if err := all(l.hubs, (*process).Start); err != nil {
		return nil, err
	}
	l.door, err = startRelay(addressAt(port, hubs), l.dialAny)
	return l, err
}

func addressAt(port, i int) string {
	if port > 0 {
		port += i
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// freeAddress is one that a hub has each time that it starts.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// configure lets the hubs do what natscluster's README says that they need, and nothing else.
func configure(_ int, o *server.Options) {
	publish, subscribe := engineOptions(1).Permissions()
	o.Users = []*server.User{{Username: hubUser, Password: hubUser, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: subscribe},
	}}}
}

// all does the same with all of them at once.
func all(processes []*process, do func(*process) error) error {
	var going sync.WaitGroup
	failures := make([]error, len(processes))
	for i, p := range processes {
		going.Go(func() { failures[i] = do(p) })
	}
	going.Wait()
	return errors.Join(failures...)
}

// dialAny connects to one of the hubs.
func (l *laptop) dialAny() (conn net.Conn, err error) {
	for _, i := range rand.Perm(len(l.hubs)) {
		if conn, err = net.Dial("tcp", l.hubs[i].address); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// dialer is that of a member, whose hubs are in an order by chance.
func (l *laptop) dialer() transport.Dialer {
	var all []transport.Dialer
	for _, i := range rand.Perm(len(l.hubs)) {
		all = append(all, websocket.Dialer{URL: "ws://" + l.hubs[i].address + "/ws"})
	}
	return transport.DialAny(all...)
}

// Reports asks all hubs. Those that do not answer have none.
func (l *laptop) Reports(ctx context.Context) []*report {
	reports := make([]*report, len(l.hubs))
	var going sync.WaitGroup
	for i, p := range l.hubs {
		going.Go(func() {
			if r, err := p.Report(ctx); err == nil {
				reports[i] = &r
			}
		})
	}
	going.Wait()
	return reports
}

// busiest is the hub that owns most channels, and how many.
func (l *laptop) busiest(ctx context.Context) (p *process, owns int) {
	p = l.hubs[0]
	for i, r := range l.Reports(ctx) {
		if r != nil && len(r.Owns) > owns {
			p, owns = l.hubs[i], len(r.Owns)
		}
	}
	return p, owns
}

// Close ends all.
func (l *laptop) Close() {
	if l.door != nil {
		l.door.Close()
	}
	for _, processes := range [][]*process{l.hubs, l.nodes} {
		_ = all(processes, func(p *process) error {
			p.Close()
			return nil
		})
	}
	if l.servers != nil {
		l.servers.Close()
	}
}

// folder is the one that is named, or a new one, which remove removes.
func folder(named string) (dir string, remove func(), err error) {
	if named != "" {
		return named, func() {}, os.MkdirAll(named, 0o700)
	}
	if dir, err = os.MkdirTemp("", "lectern-laptop-"); err != nil {
		return "", nil, err
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}, nil
}
