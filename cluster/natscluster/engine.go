package natscluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/cluster"
)

// Engine is a connection to a cluster. It has the contract of [cluster.Engine].
type Engine struct {
	options Options
	conn    *nats.Conn
	replies *replies
	tails   *tails
	shards  []*shard

	ctx    context.Context // ends with Close
	cancel func()
	going  sync.WaitGroup
	gone   chan struct{} // closed when the connection is

	mu      sync.Mutex
	closed  bool
	serving map[*service]bool
}

var _ cluster.Engine = (*Engine)(nil)

// shard is what an engine knows of a stream.
type shard struct {
	number  int
	name    string
	subject string // lectern.<name>.log.<shard>.

	mu      sync.Mutex
	leader  string
	filled  float64
	offset  time.Duration // of the leader's clock from this process's
	spread  time.Duration // the least that the two are apart
	current *barrier      // which has not been sent
	sending bool
}

// errNoAnswer is what requests fail with that nobody is there to answer.
var errNoAnswer = errors.New("natscluster: no answer")

// Open connects to the servers (a list as nats.Connect takes), makes the streams that are missing, compares those that
// are there, and tries the fence. Until its context ends it waits for servers that have no leader yet. TLS is
// demanded, but of servers on this machine, unless the options allow otherwise. connect has what
// the connection needs beside that: credentials, certificates, a nats.ErrorHandler that tells of what is not permitted and of
// callbacks that are too slow. The handler of the end is the engine's.
//
// An engine has one connection, which it reconnects for ever.
func Open(ctx context.Context, servers string, options Options, connect ...nats.Option) (*Engine, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{options: options, gone: make(chan struct{}), serving: make(map[*service]bool)}
	all := []nats.Option{
		nats.Name("lectern " + options.Name),
		nats.ReconnectBufSize(-1), // what cannot be sent now fails now
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.PingInterval(500 * time.Millisecond),
		nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // in place of one that writes to stderr
	}
	if !options.Unencrypted && !allLoopback(servers) {
		all = append(all, nats.Secure())
	}
	all = append(all, connect...)
	all = append(all, nats.ClosedHandler(func(*nats.Conn) { close(e.gone) }))
	if e.conn, err = nats.Connect(servers, all...); err != nil {
		return nil, fmt.Errorf("natscluster: %w", err)
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.open(ctx); err != nil {
		_ = e.Close()
		return nil, err
	}
	return e, nil
}

func (e *Engine) open(ctx context.Context) error {
	if err := e.checkServer(); err != nil {
		return err
	}
	var err error
	if e.replies, err = newReplies(e.conn, e.options.prefix()); err != nil {
		return err
	}
	e.tails = newTails(e)
	for i := range e.options.Shards {
		s := &shard{number: i, name: e.options.streamName(i), subject: e.options.prefix() + "log." + strconv.Itoa(i) + "."}
		if err := e.ensure(ctx, s); err != nil {
			return err
		}
		e.shards = append(e.shards, s)
	}
	if err := e.tryFence(ctx); err != nil {
		return err
	}
	e.going.Go(e.watch)
	return nil
}

// checkServer refuses servers that lack something, and connections that anybody can read.
func (e *Engine) checkServer() error {
	if version := e.conn.ConnectedServerVersion(); !versionFits(version) {
		return fmt.Errorf("natscluster: the server's version is %q: %d.%d or newer is needed", version, oldest[0], oldest[1])
	}
	if !e.conn.HeadersSupported() || e.conn.MaxPayload() < cluster.MaxMessage+room {
		return fmt.Errorf("natscluster: the server takes messages of %d bytes: %d, with headers, are needed", e.conn.MaxPayload(), cluster.MaxMessage+room)
	}
	if e.options.Unencrypted {
		return nil
	}
	if _, err := e.conn.TLSConnectionState(); err == nil {
		return nil
	}
	address := e.conn.ConnectedAddr() // "pipe" in the process
	if host, _, err := net.SplitHostPort(address); err == nil && !loopback(host) {
		return fmt.Errorf("natscluster: the connection to %s is not encrypted", address)
	}
	return nil
}

// apiError is how JetStream says no.
type apiError struct {
	Code        int    `json:"code"`
	ErrorCode   int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("JetStream: %s (%d)", e.Description, e.ErrorCode)
}

// What JetStream says no with.
const (
	errStreamNotFound   = 10059
	errStreamNameInUse  = 10058
	errMessageNotFound  = 10037
	errWrongLast        = 10071
	errWrongLastUnknown = 10164 // another append under way, or so it seems
	errStoreFailed      = 10077
	errDuplicateOpen    = 10158 // under way
	errTooLarge         = 10054
	errNoResources      = 10023
	errNoMemory         = 10028
	errNoStorage        = 10047
)

type streamInfo struct {
	Error  *apiError         `json:"error"`
	Config nats.StreamConfig `json:"config"`
	State  struct {
		Bytes uint64 `json:"bytes"`
	} `json:"state"`
	Cluster *struct {
		Leader   string `json:"leader"`
		Replicas []struct {
			Name    string `json:"name"`
			Current bool   `json:"current"`
		} `json:"replicas"`
	} `json:"cluster"`
}

// api asks JetStream something.
func (e *Engine) api(ctx context.Context, subject string, request any, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, max(e.options.Timeout, time.Second))
	defer cancel()
	m, err := e.request(ctx, nats.NewMsg("$JS.API."+subject), body)
	if err != nil {
		return err
	}
	return json.Unmarshal(m.Data, answer)
}

// ensure makes the shard's stream, or compares it.
func (e *Engine) ensure(ctx context.Context, s *shard) error {
	want := e.options.stream(s.number)
	var last error
	for {
		var info streamInfo
		err := e.api(ctx, "STREAM.INFO."+s.name, struct{}{}, &info)
		if err == nil && info.Error != nil && info.Error.ErrorCode == errStreamNotFound {
			info = streamInfo{}
			err = e.api(ctx, "STREAM.CREATE."+s.name, want, &info)
		}
		switch {
		case err != nil:
			last = err
		case info.Error != nil && (info.Error.ErrorCode == errStreamNameInUse || info.Error.Code == 503):
			last = info.Error // made by another meanwhile; or no leader, or servers that are missing yet
		case info.Error != nil:
			return fmt.Errorf("natscluster: the stream %s cannot be made: %w", s.name, info.Error)
		case info.Cluster != nil && info.Cluster.Leader == "":
			last = errors.New("it has no leader")
		default:
			s.learn(info, e.options)
			return differences(info.Config, want)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("natscluster: the stream %s is not there: %w: %w", s.name, ctx.Err(), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// learn keeps what State tells.
func (s *shard) learn(info streamInfo, options Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader = "server"
	if info.Cluster != nil {
		s.leader = info.Cluster.Leader
	}
	s.filled = min(1, float64(info.State.Bytes)/float64(options.MaxBytes))
}

// tryFence appends at a position that is not there. A server that takes it knows nothing of fences.
func (e *Engine) tryFence(ctx context.Context) error {
	for {
		g := cluster.Group{Kind: cluster.Own, After: 1 << 60, Nonce: cluster.NewNonce()}
		id := cluster.NewHubID()
		_, err := e.publish(ctx, cluster.KeyOf(string(id[:])), g)
		var refused *apiError
		if errors.As(err, &refused) && refused.ErrorCode == errWrongLast {
			return nil
		}
		if err == nil {
			return errors.New("natscluster: the server has appended where nothing was: it has no fence")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("natscluster: appends are not answered: %w: %w", ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (e *Engine) shard(key cluster.Key) *shard { return e.shards[key.Shard(len(e.shards))] }

// begin begins a call.
func (e *Engine) begin(ctx context.Context) error {
	if e.ctx.Err() != nil {
		return cluster.ErrClosed
	}
	return ctx.Err()
}

// failed is what a call fails with that failed with err: what ended it goes before.
func (e *Engine) failed(ctx context.Context, err error) error {
	if began := e.begin(ctx); began != nil {
		return began
	}
	return err
}

// pause waits before something is asked again.
func (e *Engine) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ctx.Done():
		return cluster.ErrClosed
	}
}

// Keeps implements [cluster.Log].
func (e *Engine) Keeps() time.Duration { return e.options.Keeps }

// State implements [cluster.Engine]. What it tells of a shard is as old as it takes to ask for all, one a second: an
// engine commits a small message and asks for a stream's state each second.
func (e *Engine) State() cluster.State {
	state := cluster.State{Connected: e.ctx.Err() == nil && e.conn.IsConnected()}
	for _, s := range e.shards {
		s.mu.Lock()
		state.Shards = append(state.Shards, cluster.Shard{Leader: s.leader, Filled: s.filled, Room: e.options.MaxBytes})
		state.ClockSpread = max(state.ClockSpread, s.spread)
		s.mu.Unlock()
	}
	return state
}

// Close implements [cluster.Engine]. It closes the connection.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	var all []*service
	for s := range e.serving {
		all = append(all, s)
	}
	e.mu.Unlock()
	e.cancel()
	for _, s := range all {
		s.stop()
	}
	if e.tails != nil {
		e.tails.close()
	}
	e.conn.Close()
	<-e.gone
	e.going.Wait()
	if e.tails != nil {
		e.tails.wait()
	}
	return nil
}
