package main

import (
	"context"

	"github.com/lectern-go/lectern"
)

// customer waits for an agent, asks something, and awaits the answer.
type customer struct {
	name, order, language string
	client                *lectern.Client
	answered              chan outcome
}

type outcome struct {
	lectern.Message
	err error
}

// comes has the customer wait until an agent opens its channel, and ask. waits is called when
// the hub has told that it waits.
func (c *customer) comes(ctx context.Context, waits func()) {
	c.answered = make(chan outcome, 1)
	go func() {
		answer, err := c.asks(ctx, waits)
		c.answered <- outcome{answer, err}
	}()
}

func (c *customer) asks(ctx context.Context, waits func()) (lectern.Message, error) {
	slave, err := c.client.Join(ctx, c.name, c.name,
		lectern.WithWait(), lectern.WithWaiting(func(lectern.Waiting) { waits() }),
		lectern.WithAttributes(map[string]lectern.Payload{"order": lectern.Text(c.order), "language": lectern.Text(c.language)}))
	if err != nil {
		return lectern.Message{}, err
	}
	return slave.Request(ctx, lectern.Text("where is my parcel?"))
}

// answer waits for what the customer is told.
func (c *customer) answer() (lectern.Message, error) {
	o := <-c.answered
	return o.Message, o.err
}
