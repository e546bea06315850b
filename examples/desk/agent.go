package main

import (
	"context"
	"fmt"
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
	// thinks is called before the agent hands a customer over.
	thinks func()

	following sync.WaitGroup
	mu        sync.Mutex
	customers map[string]*lectern.Master
}

func newAgent(name, speaks string, client *lectern.Client, say func(format string, args ...any)) *agent {
	return &agent{name: name, speaks: speaks, client: client, say: say, thinks: func() {}, colleagues: map[string]*agent{}, customers: map[string]*lectern.Master{}}
}

// takes opens the channel for which a customer waits.
func (a *agent) takes(ctx context.Context, customer string) error {
	master, err := a.client.Create(ctx, customer, a.name, lectern.WithToken(badge))
	if err != nil {
		return fmt.Errorf("%s takes %s: %w", a.name, customer, err)
	}
	a.has(ctx, master)
	return nil
}

// has answers the customer from now on, and first what a colleague has left open.
func (a *agent) has(ctx context.Context, master *lectern.Master) {
	a.mu.Lock()
	a.customers[master.Channel()] = master
	a.mu.Unlock()
	a.following.Go(func() {
		for _, question := range master.OpenRequests() {
			a.answers(ctx, master, question)
		}
		for event, err := range master.Events(ctx) {
			if err != nil {
				break // the channel is over, or is a colleague's
			}
			if message, ok := event.(lectern.Message); ok && message.RequestID != 0 {
				a.answers(ctx, master, message)
			}
		}
		a.mu.Lock()
		delete(a.customers, master.Channel())
		a.mu.Unlock()
	})
}

// answers answers a question, or hands the customer to a colleague who can.
func (a *agent) answers(ctx context.Context, master *lectern.Master, question lectern.Message) {
	language := master.AttributesOf(question.From)["language"].Text()
	if language == a.speaks {
		if _, err := master.Reply(ctx, question, lectern.Text("it is on its way")); err != nil {
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
	_, err := master.HandOver(ctx, colleague.name, false)
	return err
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

// isHanded greets a customer who was a colleague's.
func (a *agent) isHanded(ctx context.Context, master *lectern.Master) {
	for _, customer := range master.Members() {
		known := master.AttributesOf(customer.Username)
		a.say("%s has %s now, who speaks %s and is in the order %s", a.name, customer.Username, known["language"].Text(), known["order"].Text())
	}
	a.has(ctx, master)
}

// count is how many customers the agent has.
func (a *agent) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.customers)
}
