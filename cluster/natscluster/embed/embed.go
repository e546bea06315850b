// Package embed runs NATS servers with JetStream in the process: for a laptop, for tests, and for one machine
// whose channels are to survive the end of the program. It is a module of its own because the server is large.
//
//	servers, err := embed.Start(embed.Options{Dir: "/var/lib/lessons"})
//	defer servers.Close()
//	engine, err := natscluster.Open(ctx, servers.URL(), natscluster.Options{Name: "lessons", Replicas: 1})
//
// Several servers in one process (Nodes) are a cluster as it is on several machines, but that they all
// die with the process: they are for trying things out.
package embed

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Options is what servers are started with. Zero values have defaults.
type Options struct {
	// Dir is where they keep what they have. It has no default.
	Dir string

	// Nodes is how many there are: 1.
	Nodes int

	// Host is where they listen: 127.0.0.1.
	Host string

	// Port is the port of the first server for clients, and the others have those that follow: by default free ones
	// are taken.
	Port int

	// MaxBytes bounds what each keeps in files: 16 GiB.
	MaxBytes int64

	// Configure may change what each is started with: users, TLS, a log.
	Configure func(node int, options *server.Options)
}

// Servers are running.
type Servers struct {
	options []*server.Options
	nodes   []*server.Server // nil: stopped
}

// patience is how long a server has to begin to listen.
const patience = time.Minute

// Start starts the servers, and returns when they listen. Several need some seconds more, to
// choose a leader: natscluster.Open waits for that.
func Start(options Options) (*Servers, error) {
	if options.Dir == "" {
		return nil, errors.New("embed: a folder is needed to keep what there is")
	}
	if options.Host == "" {
		options.Host = "127.0.0.1"
	}
	if options.MaxBytes == 0 {
		options.MaxBytes = 16 << 30
	}
	n := max(1, options.Nodes)
	s := &Servers{nodes: make([]*server.Server, n)}
	routes := make([]int, n)
	if n > 1 {
		var err error
		if routes, err = freePorts(options.Host, n); err != nil {
			return nil, err
		}
	}
	for i := range n {
		s.options = append(s.options, options.of(i, routes))
	}
	for i := range n {
		if err := s.Restart(i); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// of are the options of one server.
func (o Options) of(node int, routes []int) *server.Options {
	options := &server.Options{
		ServerName:            "node" + strconv.Itoa(node),
		Host:                  o.Host,
		Port:                  server.RANDOM_PORT,
		JetStream:             true,
		StoreDir:              filepath.Join(o.Dir, "node"+strconv.Itoa(node)),
		JetStreamMaxStore:     o.MaxBytes,
		NoSigs:                true,
		NoLog:                 true,
		DisableShortFirstPing: true,
	}
	if o.Port > 0 {
		options.Port = o.Port + node
	}
	if len(routes) > 1 {
		options.Cluster = server.ClusterOpts{Name: "embedded", Host: o.Host, Port: routes[node], NoAdvertise: true}
		var all []string
		for _, port := range routes {
			all = append(all, "nats://"+net.JoinHostPort(o.Host, strconv.Itoa(port)))
		}
		options.Routes = server.RoutesFromStr(strings.Join(all, ","))
	}
	if o.Configure != nil {
		o.Configure(node, options)
	}
	return options
}

// freePorts finds ports that nobody listens on. Until they are used somebody else can take them.
func freePorts(host string, n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Node is a server that runs, or nil.
func (s *Servers) Node(i int) *server.Server { return s.nodes[i] }

// URL is where clients connect to: all that run.
func (s *Servers) URL() string {
	var all []string
	for i, node := range s.nodes {
		if node != nil {
			all = append(all, s.NodeURL(i))
		}
	}
	return strings.Join(all, ",")
}

// NodeURL is where clients connect to one server, which runs.
func (s *Servers) NodeURL(i int) string { return s.nodes[i].ClientURL() }

// Stop stops one server. What it has stays in its folder.
func (s *Servers) Stop(i int) {
	if node := s.nodes[i]; node != nil {
		node.Shutdown()
		node.WaitForShutdown()
		s.nodes[i] = nil
	}
}

// Restart starts one server that was stopped, with its folder and at its address.
func (s *Servers) Restart(i int) error {
	if err := s.free(i); err != nil { // the server would not tell
		return fmt.Errorf("embed: %w", err)
	}
	node, err := server.NewServer(s.options[i])
	if err != nil {
		return fmt.Errorf("embed: %w", err)
	}
	node.Start()
	s.nodes[i] = node
	if !node.ReadyForConnections(patience) {
		return fmt.Errorf("embed: server %d does not listen after %v", i, patience)
	}
	s.options[i].Port = node.Addr().(*net.TCPAddr).Port
	return nil
}

// free tells whether nobody listens where a server is to.
func (s *Servers) free(i int) error {
	o := s.options[i]
	if o.Port <= 0 {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// Close stops all.
func (s *Servers) Close() {
	for i := range s.nodes {
		s.Stop(i)
	}
}
