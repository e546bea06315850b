package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// story has so many customers wait for an agent, who answers all of them but one: that one is
// handed to a colleague, for which its agent thinks first. The error says what was not as it should be.
func story(ctx context.Context, out io.Writer, hub *lectern.Hub, dialer transport.Dialer, count int, thinks func()) (err error) {
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
	ctx, cancel := context.WithCancel(ctx)
	var clients []*lectern.Client
	client := func() *lectern.Client {
		c := lectern.NewClient(dialer, lectern.ClientOptions{})
		clients = append(clients, c)
		return c
	}
	ada, ben := newAgent("ada", "English", client(), say), newAgent("ben", "French", client(), say)
	handed := make(chan struct{})
	ada.thinks, ada.handed = thinks, func() { close(handed) }
	ada.colleagues["French"], ben.colleagues["English"] = ben, ada
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, c.Close())
		}
		cancel()
		ada.following.Wait()
		ben.following.Wait()
	}()

	customers := make([]*customer, count)
	waiting := make(chan struct{}, count)
	for i := range customers {
		c := &customer{name: fmt.Sprint("customer_", i+1), order: fmt.Sprint(4000 + i), language: "English", client: client()}
		if i == count/2 {
			c.language = "French"
		}
		customers[i] = c
		c.comes(ctx, func() { waiting <- struct{}{} })
	}
	for range customers {
		select {
		case <-waiting:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	say("%d customers wait for an agent", count)

	for _, c := range customers {
		if err := ada.takes(ctx, c.name); err != nil {
			return err
		}
	}
	by := map[string]int{}
	for _, c := range customers {
		answer, err := c.answer()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		by[answer.From]++
	}
	select {
	case <-handed: // the colleague can be faster with the answer
	case <-ctx.Done():
		return ctx.Err()
	}
	say("ada has answered %d of them, and ben %d", by["ada"], by["ben"])
	say("ada has %d customers over %d connection, and ben %d", ada.count(), connectionsOf(hub, "ada", count), ben.count())
	if by["ada"] != count-1 || by["ben"] != 1 || ben.count() != 1 || ada.count() != count-1 || connectionsOf(hub, "ada", count) != 1 {
		return fmt.Errorf("ada should have %d customers, and ben one", count-1)
	}
	return nil
}

// connectionsOf counts the connections on which that user is the master of something, among so
// many channels as there are.
func connectionsOf(hub *lectern.Hub, name string, channels int) int {
	on := map[uint64]bool{}
	for event := range hub.Events(context.Background()) {
		if event.Master && event.Username == name {
			on[event.Connection] = true
		}
		if event.Kind == lectern.EventCreated {
			if channels--; channels == 0 {
				break
			}
		}
	}
	return len(on)
}
