package main

import (
	"context"
	"errors"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// What is counted of the clients, by these names.
const (
	dialsRefused = "dials refused"
	sendsRefused = "sends refused"
	busy         = "sends told busy"
	unanswered   = "requests without their answer"
	askedTwice   = "requests that came twice"
	letGo        = "members let go"
	gaps         = "gaps"
	wrongTimes   = "ends at another instant"
)

// wsDialer and tcpDialer note each dial that fails.
type wsDialer struct {
	websocket.Dialer
	counts *counts
}

func (d wsDialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.Dialer.Dial(ctx)
	note(ctx, d.counts, err)
	return conn, err
}

func (d wsDialer) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	conn, sent, err := d.Dialer.DialFirst(ctx, message)
	note(ctx, d.counts, err)
	return conn, sent, err
}

type tcpDialer struct {
	netconn.Dialer
	counts *counts
}

func (d tcpDialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.Dialer.Dial(ctx)
	note(ctx, d.counts, err)
	return conn, err
}

func note(ctx context.Context, c *counts, err error) {
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		c.add(dialsRefused, err)
	}
}
