package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/lectern-go/lectern"
)

// agent answers customers: it is the master of a channel for each of them, and has all of these
// on one connection.
type agent struct {
	name string
	// speaks is the one language that the agent has.
	speaks string
	client *lectern.Client
	// colleagues are the others, by their language.
	colleagues map[string]*agent
	say        func(format string, args ...any)
	// thinks is called before the agent hands a customer over, and handed after that.
	thinks, handed func()

	following sync.WaitGroup
	mu        sync.Mutex
	customers map[string]*lectern.Master
}

func newAgent(name, speaks string, client *lectern.Client, say func(format string, args ...any)) *agent {
	return &agent{name: name, speaks: speaks, client: client, say: say, thinks: func() {}, handed: func() {}, colleagues: map[string]*agent{}, customers: map[string]*lectern.Master{}}
}

// takes opens the channel for which a customer waits.
func (a *agent) takes(ctx context.Context, customer string) error {
	master, err := a.client.Create(ctx, customer, a.name, lectern.WithToken(badge))
	if err != nil {
		return fmt.Errorf("%s takes %s: %w", a.name, customer, err)
	}
	a.has(ctx, master, nil)
	return nil
}

// has answers the customer from now on, and first what a colleague has left open. greets is called
// when it is known who that is: attributes come behind the list of slaves.
func (a *agent) has(ctx context.Context, master *lectern.Master, greets func(known map[string]lectern.Payload)) {
	a.mu.Lock()
	a.customers[master.Channel()] = master
	a.mu.Unlock()
	a.following.Go(func() {
		defer a.loses(master.Channel())
		open := master.OpenRequests()
		for event, err := range master.Events(ctx) {
			if err != nil {
				return // the channel is over, or is a colleague's
			}
			if message, ok := event.(lectern.Message); ok && message.RequestID != 0 {
				open = append(open, message)
			}
			known := master.AttributesOf(master.Channel()) // the customer bears the channel's name
			if known["language"].Len() == 0 || known["order"].Len() == 0 {
				continue
			}
			if greets != nil {
				greets(known)
				greets = nil
			}
			for _, question := range open {
				a.answers(ctx, master, question, known["language"].Text())
			}
			open = nil
		}
	})
}

func (a *agent) loses(customer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.customers, customer)
}

// answers answers a question in a language, or hands the customer to a colleague who can.
func (a *agent) answers(ctx context.Context, master *lectern.Master, question lectern.Message, language string) {
	if language == a.speaks {
		if _, err := master.Reply(ctx, question, lectern.Text("it is on its way")); err != nil && !errors.Is(err, net.ErrClosed) {
			a.say("%s cannot answer %s: %v", a.name, question.From, err)
		}
		return
	}
	colleague := a.colleagues[language]
	if colleague == nil {
		_, _ = master.Decline(ctx, question, "no_such_language", "nobody here speaks "+language)
		return
	}
	if err := a.handsOver(ctx, master, colleague); err != nil {
		a.say("%s keeps %s: %v", a.name, question.From, err)
	}
}

// handsOver gives the customer to a colleague. What was asked and not answered goes along.
func (a *agent) handsOver(ctx context.Context, master *lectern.Master, colleague *agent) error {
	a.thinks()
	if err := colleague.comesTo(ctx, master.Channel()); err != nil {
		return err
	}
	a.say("%s hands %s over to %s", a.name, master.Channel(), colleague.name)
	if _, err := master.HandOver(ctx, colleague.name, false); err != nil {
		return err
	}
	a.loses(master.Channel())
	a.handed()
	return nil
}

// comesTo joins a colleague's customer, to be handed it.
func (a *agent) comesTo(ctx context.Context, customer string) error {
	slave, err := a.client.Join(ctx, customer, a.name, lectern.WithToken(badge))
	if err != nil {
		return fmt.Errorf("%s comes to %s: %w", a.name, customer, err)
	}
	a.following.Go(func() {
		for event, err := range slave.Events(ctx) {
			if err != nil {
				return
			}
			if promotion, ok := event.(lectern.Promotion); ok {
				a.isHanded(ctx, promotion.Master)
			}
		}
	})
	return nil
}

// isHanded has a customer who was a colleague's.
func (a *agent) isHanded(ctx context.Context, master *lectern.Master) {
	a.has(ctx, master, func(known map[string]lectern.Payload) {
		a.say("%s has %s now, who speaks %s and is in the order %s", a.name, master.Channel(), known["language"].Text(), known["order"].Text())
	})
}

// count is how many customers the agent has.
func (a *agent) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.customers)
}
