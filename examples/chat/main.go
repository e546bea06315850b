// Chat is a terminal chat over Lectern.
//
// Without flags it plays the whole story in one process, over a real WebSocket
// on the loopback interface, and prints what everybody says and sees. Its exit
// status is 0 if all of it was as the rules say.
//
// With -connect it is a client for people:
//
//	chat -connect ws://127.0.0.1:8080/ws -create abc123 -as alice
//	chat -connect ws://127.0.0.1:8080/ws -join abc123 -as user_one
//
// What is typed goes to the other side; /help lists the commands. The exit
// status is 0 where this side has left or the master has closed the channel, 1
// where anything else has ended it, and 2 where the flags make no sense.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/websocket"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second ctrl-C ends a client that takes too long over the first.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// invitation is what the flags say.
type invitation struct {
	connect, create, join, as, token string
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	var to invitation
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprint(errs, "usage: chat\n"+
			"       chat -connect URL -create CHANNEL -as NAME [-token TOKEN]\n"+
			"       chat -connect URL -join CHANNEL -as NAME [-token TOKEN]\n")
		flags.PrintDefaults()
	}
	flags.StringVar(&to.connect, "connect", "", "`URL` of a hub, for instance ws://127.0.0.1:8080/ws; none: play the story")
	flags.StringVar(&to.create, "create", "", "create this `channel` and be its master")
	flags.StringVar(&to.join, "join", "", "join this `channel` as a slave")
	flags.StringVar(&to.as, "as", "", "the `name` that the others see")
	flags.StringVar(&to.token, "token", "", "a `token` for the hub, where it wants one")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if problem := to.problem(flags); problem != "" {
		fmt.Fprintln(errs, "chat:", problem)
		flags.Usage()
		return 2
	}

	var err error
	if to.connect == "" {
		err = story(ctx, out)
	} else {
		err = talk(ctx, websocket.Dialer{URL: to.connect}, to, in, out)
	}
	if err != nil {
		fmt.Fprintln(errs, "chat:", printable(explain(err)))
		return 1
	}
	return 0
}

// problem says what is wrong with the flags, if anything is.
func (to invitation) problem(flags *flag.FlagSet) string {
	switch {
	case flags.NArg() > 0:
		return fmt.Sprintf("unexpected argument %q", flags.Arg(0))
	case to.connect == "" && flags.NFlag() > 0:
		return "-connect is missing"
	case to.connect == "":
		return ""
	case (to.create == "") == (to.join == ""):
		return "either -create or -join is needed"
	case to.as == "":
		return "-as is missing"
	}
	return ""
}

// explain is an error in words for the one at the terminal.
func explain(err error) string {
	var refusal *lectern.Error
	switch {
	case errors.Is(err, lectern.ErrSendUnknown):
		return "it is not known whether that has reached the hub"
	case errors.Is(err, context.Canceled):
		return "given up"
	case !errors.As(err, &refusal):
		return err.Error()
	}
	words := string(refusal.Code)
	if refusal.Text != "" {
		words += " (" + refusal.Text + ")"
	}
	return strings.Replace(err.Error(), refusal.Error(), words, 1)
}
