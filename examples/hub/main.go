// Hub is a Lectern hub as a program: it lets masters and slaves connect over
// WebSocket, TCP and Unix sockets, in any mixture, and knows nothing of what
// they say to each other.
//
//	hub -ws :8080 -tcp :7000 -unix /run/lectern.sock
//
// With -http, members whose network lets no WebSocket through come to the address of -ws by plain
// HTTP, under /ws/, where the client for browsers looks for it by itself. With -socketio, stock socket.io
// clients (1.x to 4.x) come there too, under /socket.io/, where they look for it by themselves.
//
// Once it listens it prints one line for each listener, so that port 0 can be
// used:
//
//	ws ws://127.0.0.1:8080/ws
//	tcp 127.0.0.1:7000
//	unix /run/lectern.sock
//
// and one with http http://127.0.0.1:8080/ws/ or socketio http://127.0.0.1:8080/socket.io/ where that is served. In the place of
// an address, fd:3 is a socket that the process was started with, as systemd does
// by a socket unit.
//
// With -state, channels outlive the process: at the end what they are is saved in that file, and
// at the next start they go on from there. Members come back by themselves and lose nothing.
//
//	hub -ws fd:3 -state /var/lib/lectern/state
//
// Under /healthz it answers health checks: 200 while it serves, 503 from when it shuts
// down, but with -state it accepts no connection then. For -tcp and -unix, connecting is one.
//
// Everyone may create channels and join them: a service of your own would set
// Policy.Authorize. The first SIGINT or SIGTERM ends the hub in order, a second
// one at once, which saves nothing. The exit status is 0 after an orderly end, 1 where something
// failed, and 2 where the flags make no sense.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lectern-go/lectern"
)

func main() {
	signalled, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, end := context.WithCancel(context.Background())
	context.AfterFunc(signalled, func() {
		// Before anybody can see that the hub shuts down: from then on, a
		// signal has its usual effect.
		stop()
		end()
	})
	os.Exit(status(run(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

// errUsage is the error of flags that make no sense, which the user has been
// told already.
var errUsage = errors.New("usage")

// status tells the user what went wrong, and returns the exit status.
func status(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(stderr, "hub:", err)
	return 1
}

// run is the program. It returns when ctx is done and everything has ended.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return serve(ctx, s, stdout, stderr)
}

// settings is what the flags say.
type settings struct {
	ws, tcp, unix string
	http          bool
	socketio      bool
	cert, key     string
	state         string
	master, slave time.Duration
	origins       []string
	hosts         []string
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("hub", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: hub [flags], with at least one of -ws, -tcp and -unix")
		flags.PrintDefaults()
	}
	flags.StringVar(&s.ws, "ws", "", "serve WebSocket on this `address`, under /ws; fd:3 is a socket that the program is started with, for all of these")
	flags.BoolVar(&s.http, "http", false, "serve plain HTTP on the address of -ws too, under /ws/, for those whose network lets no WebSocket through")
	flags.BoolVar(&s.socketio, "socketio", false, "serve stock socket.io clients on the address of -ws too, under /socket.io/")
	flags.StringVar(&s.tcp, "tcp", "", "serve TCP on this `address`")
	flags.StringVar(&s.unix, "unix", "", "serve a Unix socket at this `path`")
	flags.StringVar(&s.cert, "tls-cert", "", "PEM `file` of a certificate: TLS for -ws and -tcp")
	flags.StringVar(&s.key, "tls-key", "", "PEM `file` of the certificate's key")
	flags.Func("state", "save channels in this `file` at the end, and go on from it at the start", func(file string) error {
		if s.state = file; file == "" {
			return errors.New("the name of a file is expected")
		}
		return nil
	})
	flags.DurationVar(&s.master, "master-timeout", 30*time.Second, "how long a master may be away; 0: not at all")
	flags.DurationVar(&s.slave, "slave-timeout", 30*time.Second, "how long a slave may be away; 0: not at all")
	flags.Func("origin", "web pages of this `origin` may connect, for instance https://example.com (repeatable)",
		func(origin string) error { s.origins = append(s.origins, origin); return nil })
	flags.Func("host", "web pages may reach the hub under this `host`, for instance class.example.com, beside localhost and addresses (repeatable)",
		func(host string) error { s.hosts = append(s.hosts, host); return nil })

	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return s, err
	case err != nil:
		return s, errUsage // the flag package has said what is wrong
	}
	if problem := s.problem(flags.Args()); problem != "" {
		fmt.Fprintln(stderr, "hub:", problem)
		flags.Usage()
		return s, errUsage
	}
	return s, nil
}

// problem says what is wrong with the flags as a whole, if anything is.
func (s settings) problem(rest []string) string {
	switch {
	case len(rest) > 0:
		return fmt.Sprintf("unexpected argument %q", rest[0])
	case s.ws == "" && s.tcp == "" && s.unix == "":
		return "nothing to listen on"
	case (s.cert == "") != (s.key == ""):
		return "-tls-cert and -tls-key need each other"
	case s.cert != "" && s.ws == "" && s.tcp == "":
		return "TLS is for -ws and -tcp"
	case s.http && s.ws == "":
		return "-http is for -ws"
	case s.socketio && s.ws == "":
		return "-socketio is for -ws"
	case len(s.origins) > 0 && s.ws == "":
		return "-origin is for -ws"
	case len(s.hosts) > 0 && s.ws == "":
		return "-host is for -ws"
	}
	return ""
}

// policy is the hub's. Zero on the command line means no time at all, where in
// a Policy it means the default.
func (s settings) policy() lectern.Policy {
	orNone := func(timeout time.Duration) time.Duration {
		if timeout <= 0 {
			return -1
		}
		return timeout
	}
	return lectern.Policy{MasterTimeout: orNone(s.master), SlaveTimeout: orNone(s.slave)}
}
