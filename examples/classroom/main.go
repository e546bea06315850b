// Classroom is a class as a web page: a teacher opens it and gets a link and a
// QR code, students join with a name, and everything between them goes through
// a Lectern hub in this program.
//
//	classroom -addr 127.0.0.1:8000
//
// Once it listens it prints the page's address, so that port 0 can be used:
//
//	classroom http://127.0.0.1:8000/
//
// It listens for this computer alone unless told otherwise. With -addr :8000,
// phones in the same network can join as well, and the program prints the
// addresses under which they reach it. Everybody who reaches it may open a class:
// a service of your own would set Policy.Authorize.
//
// With -state, classes outlive the program: at the end what they are is saved in that file, and
// at the next start, which should follow soon, they go on from there.
//
// The first SIGINT or SIGTERM ends it in order, a second one at once, which saves nothing. The exit
// status is 0 after an orderly end, 1 where something failed, and 2 where the
// flags make no sense.
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
		// Before anybody can see that it shuts down: from then on, a signal has
		// its usual effect.
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
	fmt.Fprintln(stderr, "classroom:", err)
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
	addr          string
	masterTimeout time.Duration
	state         string
	hosts         []string
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("classroom", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8000", "serve the page on this `address`; :8000 is for phones in the same network too")
	flags.DurationVar(&s.masterTimeout, "master-timeout", 30*time.Second, "how long a teacher may be away before the class is over; 0: not at all")
	flags.Func("state", "save classes in this `file` at the end, and go on from it at the start", func(file string) error {
		if s.state = file; file == "" {
			return errors.New("the name of a file is expected")
		}
		return nil
	})
	flags.Func("host", "browsers may reach the page under this `host`, for instance class.example.com, beside this computer's names and addresses (repeatable)",
		func(host string) error { s.hosts = append(s.hosts, host); return nil })
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return s, err
	case err != nil:
		return s, errUsage // the flag package has said what is wrong
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "classroom: unexpected argument %q\n", flags.Arg(0))
		flags.Usage()
		return s, errUsage
	}
	return s, nil
}

// policy is the hub's. A student's seat is kept as long as the teacher's: a
// student's page gives up after that time anyway. Zero on the command line means
// no time at all, where in a Policy it means the default.
func (s settings) policy() lectern.Policy {
	timeout := s.masterTimeout
	if timeout <= 0 {
		timeout = -1
	}
	return lectern.Policy{MasterTimeout: timeout, SlaveTimeout: timeout}
}
