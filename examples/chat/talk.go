package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// member is what the handles of both roles have in common.
type member interface {
	Channel() string
	Username() string
	Events(context.Context) iter.Seq2[lectern.Event, error]
	Done() <-chan struct{}
	Err() error
}

// chat is the conversation of one who sits at a terminal. It is the master or
// the slave; the other one is nil.
type chat struct {
	screen *screen
	master *lectern.Master
	slave  *lectern.Slave
	// over carries why the present membership has ended, once everything from
	// before the end has been shown.
	over chan error
}

// errQuit is the wish to leave.
var errQuit = errors.New("quit")

// talk connects, enters, and goes on until the input ends, the context is done
// or the membership is over. The error says why it failed or ended, and is nil
// for an orderly end.
func talk(ctx context.Context, hub transport.Dialer, to invitation, in io.Reader, out io.Writer) error {
	client := lectern.NewClient(hub, lectern.ClientOptions{})
	defer client.Close()
	c := &chat{screen: &screen{out: out}}
	if err := c.enter(ctx, client, to); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := make(chan string)
	unread := make(chan error, 1)
	// A read from a terminal cannot be called off: it may outlive this function
	// and ends with the next line, the end of the input, or the process.
	go readLines(ctx, in, lines, unread)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return errors.Join(<-unread, c.leave())
			}
			switch err := c.obey(ctx, line); {
			case errors.Is(err, errQuit):
				return c.leave()
			case err != nil && ctx.Err() == nil:
				c.screen.line("! %s", explain(err))
			}
		case err := <-c.over:
			return c.ended(err)
		case <-ctx.Done():
			return c.leave()
		}
	}
}

// enter creates or joins the channel, and starts to show what happens there.
func (c *chat) enter(ctx context.Context, client *lectern.Client, to invitation) (err error) {
	token := lectern.WithToken(to.token) // empty is none
	if to.create != "" {
		if c.master, err = client.Create(ctx, to.create, to.as, token); err != nil {
			return fmt.Errorf("cannot create %s: %w", to.create, err)
		}
		c.screen.line("* channel %s is open, and %s is its master; /help lists the commands", c.master.Channel(), c.master.Username())
		c.follow(c.master)
		return nil
	}
	if c.slave, err = client.Join(ctx, to.join, to.as, token); err != nil {
		return fmt.Errorf("cannot join %s: %w", to.join, err)
	}
	c.joined()
	return nil
}

// joined greets a slave in a channel, for the first time or after a switch.
func (c *chat) joined() {
	master := c.slave.Master()
	c.screen.line("* %s has joined %s; its master %s is %s; /help lists the commands",
		c.slave.Username(), c.slave.Channel(), master.Username, master.State)
	c.follow(c.slave)
}

// follow shows what a member is told, until its membership is over. It has no
// context, so that what came before the end is always shown.
func (c *chat) follow(m member) {
	over := make(chan error, 1)
	c.over = over
	v := view{screen: c.screen, self: m.Username(), master: m == member(c.master), known: make(map[string]bool)}
	go func() {
		for event, err := range m.Events(context.Background()) {
			if err != nil {
				over <- err
				return
			}
			v.show(event)
		}
	}()
}

func (c *chat) member() member {
	if c.master != nil {
		return c.master
	}
	return c.slave
}

// leave ends the membership on purpose, after what has been typed was sent.
func (c *chat) leave() error {
	var untold error
	if c.master != nil {
		untold = c.master.Close()
	} else {
		untold = c.slave.Leave()
	}
	if err := <-c.over; !errors.Is(err, lectern.ErrLeft) {
		return c.ended(err) // the other side was faster
	}
	if c.master != nil {
		c.screen.line("* channel %s is closed", c.master.Channel())
	} else {
		c.screen.line("* %s has left %s", c.slave.Username(), c.slave.Channel())
	}
	return untold
}

// ended tells of an end that this side has not chosen.
func (c *chat) ended(why error) error {
	c.screen.line("* channel %s is over: %s", c.member().Channel(), explain(why))
	if errors.Is(why, lectern.ErrMasterLeft) {
		return nil
	}
	return fmt.Errorf("the membership has ended: %w", why)
}

// longestLine is more than a hub takes by default, so that it is the hub that
// refuses a text for its length.
const longestLine = 1 << 20

func readLines(ctx context.Context, in io.Reader, lines chan<- string, unread chan<- error) {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, longestLine)
	for scanner.Scan() {
		select {
		case lines <- scanner.Text():
		case <-ctx.Done():
			return
		}
	}
	if err := scanner.Err(); err != nil {
		unread <- fmt.Errorf("reading the input: %w", err)
	}
	close(unread)
	close(lines)
}

// view turns events into lines.
type view struct {
	screen *screen
	self   string
	// master: the one at the terminal is the master.
	master bool
	// known are the slaves that the master has seen before, to tell one that
	// comes back from one that joins.
	known map[string]bool
}

func (v *view) show(event lectern.Event) {
	switch event := event.(type) {
	case lectern.Message:
		from := event.From
		if event.Private {
			from += " to you alone"
		}
		v.screen.line("<%s> %s", from, content(event.Payload))
	case lectern.Presence:
		v.screen.line("* %s", v.presence(event))
	case lectern.Gap:
		if event.Missed == 0 {
			v.screen.line("* messages are missing here")
		} else {
			v.screen.line("* up to %d messages are missing here", event.Missed)
		}
	}
}

func (v *view) presence(p lectern.Presence) string {
	switch {
	case p.State == lectern.StateUnknown:
		return "the connection to the hub is lost" + left(p.Deadline)
	case v.master && p.Username == v.self:
		return "the connection to the hub is back"
	case p.State == lectern.StateAway:
		return p.Username + " is away" + left(p.Deadline)
	case p.State == lectern.StateOnline && v.master && !v.known[p.Username]:
		v.known[p.Username] = true
		return p.Username + " has joined"
	case p.State == lectern.StateOnline:
		return p.Username + " is back"
	}
	delete(v.known, p.Username)
	if p.Reason == "" {
		return p.Username + " is gone"
	}
	return fmt.Sprintf("%s is gone: %s", p.Username, strings.TrimSpace(p.Reason))
}
