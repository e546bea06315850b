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
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	nodes = 3
	// operator is the name and the password of a user of NATS that may do everything.
	operator = "operator"
)

// startMachines starts a cluster whose nodes of NATS are processes too, each part of the log on all of them. The hubs
// reach them without a network between. The ports are free ones.
func startMachines(dir string, hubs, _ int) (_ *laptop, err error) {
	l := &laptop{}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	var addresses, routes []string
	for range nodes {
		for _, list := range []*[]string{&addresses, &routes} {
			address, err := freeAddress()
			if err != nil {
				return nil, err
			}
			*list = append(*list, address)
		}
	}
	for i := range nodes {
		name := "node-" + strconv.Itoa(i+1)
		l.nodes = append(l.nodes, newProcessOf(name, addresses[i], dir, "node", name, addresses[i], routes[i], strings.Join(routes, ","), dir))
	}
	if err := all(l.nodes, (*process).Start); err != nil {
		return nil, err
	}
	for i := range hubs {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		l.hubs = append(l.hubs, newProcessOf("hub-"+strconv.Itoa(i+1), address, dir, "hub", l.URL(), address, strconv.Itoa(nodes)))
	}
	return l, all(l.hubs, (*process).Start)
}

// URL is where the nodes of NATS are.
func (l *laptop) URL() string {
	var urls []string
	for _, p := range l.nodes {
		urls = append(urls, "nats://"+p.address)
	}
	return strings.Join(urls, ",")
}

// runNode is the program of one node of NATS. It ends as a hub does.
func runNode(ctx context.Context, name, address, route, routes, dir string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	o := &server.Options{
		ServerName: name, JetStream: true, StoreDir: filepath.Join(dir, name), JetStreamMaxStore: 4 << 30, NoSigs: true, NoLog: true,
		Routes: server.RoutesFromStr("nats://" + strings.ReplaceAll(routes, ",", ",nats://")),
	}
	var err error
	if o.Host, o.Port, err = hostAndPort(address); err != nil {
		return err
	}
	o.Cluster.Name, o.Cluster.NoAdvertise = "laptop", true
	if o.Cluster.Host, o.Cluster.Port, err = hostAndPort(route); err != nil {
		return err
	}
	configure(0, o)
	o.Users = append(o.Users, &server.User{Username: operator, Password: operator})
	node, err := server.NewServer(o)
	if err != nil {
		return err
	}
	node.Start()
	if !node.ReadyForConnections(openTimeout) {
		return errors.New("the node does not listen")
	}
	fmt.Println("serves")
	<-ctx.Done()
	node.Shutdown()
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

// A part is what one part of the log is like.
type part struct {
	Config struct {
		Replicas int `json:"num_replicas"`
	} `json:"config"`
	Cluster struct {
		Leader   string `json:"leader"`
		Replicas []struct {
			Current bool `json:"current"`
		} `json:"replicas"`
	} `json:"cluster"`
}

// isWhole tells whether all nodes that are to have it do.
func (p *part) isWhole() bool {
	if p.Cluster.Leader == "" || len(p.Cluster.Replicas) != nodes-1 {
		return false
	}
	for _, r := range p.Cluster.Replicas {
		if !r.Current {
			return false
		}
	}
	return true
}

// partOf asks for one part of the log.
func partOf(ctx context.Context, nc *nats.Conn, shard int) (p part, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := nc.RequestWithContext(ctx, fmt.Sprintf("$JS.API.STREAM.INFO.LECTERN_%s_%d", engineOptions(nodes).Name, shard), nil)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(answer.Data, &p)
}

// awaitWhole waits until all nodes have all parts of the log.
func awaitWhole(ctx context.Context, nc *nats.Conn) error {
	for shard := range engineOptions(nodes).Shards {
		for {
			p, err := partOf(ctx, nc, shard)
			if err == nil && p.isWhole() {
				break
			}
			if !sleep(ctx, 100*time.Millisecond) {
				return fmt.Errorf("part %d of the log is not whole: %w", shard, ctx.Err())
			}
		}
	}
	return nil
}
