package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lectern-go/lectern"
)

// command is one of those that begin with a slash.
type command struct {
	name, arguments, does string
	// Either is nil where the role does not have the command.
	master, slave func(c *chat, ctx context.Context, arguments string) error
}

// commands is filled by init, because help lists them.
var commands []command

func init() {
	both := (*chat).help
	quit := func(*chat, context.Context, string) error { return errQuit }
	commands = []command{
		{name: "to", arguments: "NAME TEXT", does: "say something to one slave alone", master: (*chat).to},
		{name: "who", does: "who is there", master: (*chat).slaves, slave: (*chat).myMaster},
		{name: "kick", arguments: "NAME [REASON]", does: "remove a slave", master: (*chat).kick},
		{name: "ban", arguments: "NAME [REASON]", does: "remove a slave and keep its name out", master: (*chat).ban},
		{name: "away", does: "tell the slaves that you are away", master: (*chat).away},
		{name: "back", does: "tell the slaves that you are back", master: (*chat).back},
		{name: "switch", arguments: "CHANNEL", does: "join another channel and leave this one", slave: (*chat).switchTo},
		{name: "help", does: "list the commands", master: both, slave: both},
		{name: "quit", does: "leave; a master closes its channel", master: quit, slave: quit},
	}
}

// obey carries out a line: a command, or a text for the other side.
func (c *chat) obey(ctx context.Context, line string) error {
	word, arguments, _ := strings.Cut(strings.TrimSpace(line), " ")
	arguments = strings.TrimSpace(arguments)
	if !strings.HasPrefix(word, "/") {
		return c.say(ctx, line)
	}
	for _, command := range commands {
		if "/"+command.name != word {
			continue
		}
		do := command.slave
		if c.master != nil {
			do = command.master
		}
		if do == nil {
			return fmt.Errorf("%s is not for a %s", word, c.role())
		}
		if arguments != "" && command.arguments == "" {
			return fmt.Errorf("%s takes nothing more", word)
		}
		return do(c, ctx, arguments)
	}
	return fmt.Errorf("there is no %s; /help lists the commands", word)
}

func (c *chat) role() string {
	if c.master != nil {
		return "master"
	}
	return "slave"
}

func (c *chat) say(ctx context.Context, text string) (err error) {
	switch {
	case strings.TrimSpace(text) == "":
	case c.master != nil:
		_, err = c.master.Broadcast(ctx, lectern.Text(text))
	default:
		_, err = c.slave.Send(ctx, lectern.Text(text))
	}
	return err
}

// cutName takes a name off the front. One with spaces is put in quotes.
func cutName(arguments string) (name, rest string, err error) {
	if quoted, err := strconv.QuotedPrefix(arguments); err == nil && quoted[0] != '\'' {
		name, err = strconv.Unquote(quoted)
		return name, strings.TrimSpace(arguments[len(quoted):]), err
	}
	name, rest, _ = strings.Cut(arguments, " ")
	if name == "" {
		return "", "", errors.New("whom? A name is missing")
	}
	return name, strings.TrimSpace(rest), nil
}

func (c *chat) to(ctx context.Context, arguments string) error {
	name, text, err := cutName(arguments)
	if err != nil {
		return err
	}
	if text == "" {
		return fmt.Errorf("say what to %s?", name)
	}
	_, err = c.master.Send(ctx, name, lectern.Text(text))
	return err
}

func (c *chat) kick(ctx context.Context, arguments string) error {
	name, reason, err := cutName(arguments)
	if err != nil {
		return err
	}
	return c.master.Kick(ctx, name, reason)
}

func (c *chat) ban(ctx context.Context, arguments string) error {
	name, reason, err := cutName(arguments)
	if err != nil {
		return err
	}
	return c.master.Ban(ctx, name, reason)
}

func (c *chat) slaves(context.Context, string) error {
	members := c.master.Members()
	if len(members) == 0 {
		c.screen.line("* nobody is there")
	}
	for _, slave := range members {
		c.screen.line("* %s is %s", slave.Username, slave.State)
	}
	return nil
}

func (c *chat) myMaster(context.Context, string) error {
	master := c.slave.Master()
	c.screen.line("* %s, the master of %s, is %s%s", master.Username, c.slave.Channel(), master.State, left(master.Deadline))
	return nil
}

func (c *chat) away(ctx context.Context, _ string) error {
	if err := c.master.Away(ctx); err != nil {
		return err
	}
	c.screen.line("* you are away; the channel ends in %v unless you are /back", c.master.MasterTimeout().Round(time.Millisecond))
	return nil
}

func (c *chat) back(ctx context.Context, _ string) error {
	if err := c.master.Back(ctx); err != nil {
		return err
	}
	c.screen.line("* you are back")
	return nil
}

func (c *chat) switchTo(ctx context.Context, arguments string) error {
	if arguments == "" {
		return errors.New("to which channel?")
	}
	next, err := c.slave.Switch(ctx, arguments)
	if err != nil {
		return fmt.Errorf("still in %s: %w", c.slave.Channel(), err)
	}
	<-c.over // what was still to be shown of the old channel
	c.slave = next
	c.joined()
	return nil
}

func (c *chat) help(context.Context, string) error {
	everybody := "your master"
	if c.master != nil {
		everybody = "all your slaves"
	}
	c.screen.line("* what you type goes to %s", everybody)
	for _, command := range commands {
		if c.master != nil && command.master != nil || c.master == nil && command.slave != nil {
			c.screen.line("*   %-20s %s", strings.TrimSpace("/"+command.name+" "+command.arguments), command.does)
		}
	}
	return nil
}
