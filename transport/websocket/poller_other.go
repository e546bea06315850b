//go:build !linux

package websocket

import "github.com/lectern-go/lectern/transport"

// A poller exists on Linux only. Elsewhere a goroutine waits for each connection.
type poller struct{}

type polled struct{ ended bool }

func newPoller(transport.ConnOptions) *poller { return nil }

func (*poller) canTake(*conn) bool { return false }

func (*poller) add(*serving, bool) bool { return false }

func (*poller) park(*serving) bool { return false }

func (*poller) closing(*serving) {}

func (*poller) forget(*serving) {}

func (*poller) closed(*serving) {}
