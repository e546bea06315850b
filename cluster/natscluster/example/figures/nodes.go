//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/internal/machine"
	"github.com/lectern-go/lectern/internal/process"
)

const nodeCount = 3

// runNode is the program of one node of NATS. It ends as one does that is upgraded: what it leads goes to the others first.
func runNode(name, address, route, routes, dir string) error {
	o := &server.Options{
		ServerName: name, JetStream: true, StoreDir: filepath.Join(dir, name), JetStreamMaxStore: 8 << 30, NoSigs: true, NoLog: true,
		Routes: server.RoutesFromStr(routes), LameDuckGracePeriod: time.Second, LameDuckDuration: 2 * time.Second,
	}
	var err error
	if o.Host, o.Port, err = hostAndPort(address); err != nil {
		return err
	}
	o.Cluster.Name, o.Cluster.NoAdvertise = "figures", true
	if o.Cluster.Host, o.Cluster.Port, err = hostAndPort(route); err != nil {
		return err
	}
	node, err := server.NewServer(o)
	if err != nil {
		return err
	}
	node.Start()
	if !node.ReadyForConnections(openTimeout) {
		return errors.New("the node does not listen")
	}
	fmt.Println(address)
	_, _ = io.Copy(io.Discard, os.Stdin)
	node.LameDuckShutdown()
	node.WaitForShutdown()
	return nil
}

func hostAndPort(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// nodes are those of NATS.
type nodes struct {
	dir       string
	addresses []string
	routes    []string
	running
	conn *nats.Conn // an operator's
	// shared: they are for the rows that follow too.
	shared bool
}

// nodes are new ones, or in a short run the same for all rows.
func (r *report) nodes() (n *nodes, err error) {
	if r.shared != nil {
		return r.shared, nil
	}
	n = &nodes{running: make([]*process.Process, nodeCount)}
	defer func() {
		switch {
		case err != nil:
			n.close()
		case r.short:
			n.shared, r.shared = true, n
		}
	}()
	if n.dir, err = os.MkdirTemp("", "lectern-figures-"); err != nil {
		return n, err
	}
	var free []net.Listener
	for i := range 2 * nodeCount {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return n, err
		}
		free = append(free, l)
		if i%2 == 0 {
			n.addresses = append(n.addresses, l.Addr().String())
		} else {
			n.routes = append(n.routes, l.Addr().String())
		}
	}
	for _, l := range free {
		_ = l.Close()
	}
	failures := make([]error, nodeCount)
	inParallel(nodeCount, nodeCount, func(i int) { failures[i] = n.start(i) })
	if err := errors.Join(failures...); err != nil {
		return n, err
	}
	n.conn, err = nats.Connect(n.url(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.PingInterval(500*time.Millisecond), nats.MaxPingsOutstanding(2))
	if err != nil {
		return n, err
	}
	engine, err := openEngine(n.url()) // makes the streams
	if err != nil {
		return n, err
	}
	_, err = n.whole()
	return n, errors.Join(err, engine.Close())
}

func (n *nodes) url() string { return list(n.addresses) }

func nodeName(i int) string { return "node-" + strconv.Itoa(i+1) }

func (n *nodes) start(i int) (err error) {
	n.running[i], err = startProcess(roleNode, nodeName(i), n.addresses[i], n.routes[i], list(n.routes), n.dir)
	return err
}

func (n *nodes) close() {
	if !n.shared {
		n.end()
	}
}

func (n *nodes) end() {
	if n.conn != nil {
		n.conn.Close()
	}
	for i, p := range n.running {
		if p != nil {
			_ = n.kill(i)
		}
	}
	if n.dir != "" {
		_ = os.RemoveAll(n.dir)
	}
}

// shards is how many parts the log has.
const shards = 16

// leaders are the names of who leads each part of the log, where all nodes have it.
func (n *nodes) leaders() (names []string, whole bool, err error) {
	for shard := range shards {
		var info struct {
			Cluster struct {
				Leader   string `json:"leader"`
				Replicas []struct {
					Current bool `json:"current"`
				} `json:"replicas"`
			} `json:"cluster"`
		}
		m, err := n.conn.Request(fmt.Sprintf("$JS.API.STREAM.INFO.LECTERN_%s_%d", options().Name, shard), nil, time.Second)
		if err != nil {
			return nil, false, err
		}
		if err := json.Unmarshal(m.Data, &info); err != nil {
			return nil, false, err
		}
		names = append(names, info.Cluster.Leader)
		if info.Cluster.Leader == "" || len(info.Cluster.Replicas) != nodeCount-1 {
			return names, false, nil
		}
		for _, r := range info.Cluster.Replicas {
			if !r.Current {
				return names, false, nil
			}
		}
	}
	return names, true, nil
}

// whole waits until all nodes have all parts of the log, and returns who leads them.
func (n *nodes) whole() (leaders []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		if leaders, whole, err := n.leaders(); err == nil && whole {
			return leaders, nil
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return nil, errors.New("the nodes of NATS do not have all parts of the log")
		}
	}
}

// memory is what the nodes have in memory, in bytes, each.
func (n *nodes) memory() (each []uint64, err error) {
	for _, p := range n.running {
		size, err := machine.Memory(p.ID(), "VmRSS")
		if err != nil {
			return nil, err
		}
		each = append(each, size)
	}
	return each, nil
}

// sleep tells whether the time was over before ctx was.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
