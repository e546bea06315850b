package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lectern-go/lectern"
)

// This file has the service speak in its channels, to all, to slaves and to masters. What it was
// told to be accepted is held against what everybody has got, as for any sender.

// speaks sends in whatever channels there are, of the hub that there is.
func (r *faultRound) speaks() {
	random := r.random(9)
	for i := 0; r.acting.Err() == nil; i++ {
		pause(random, 60*time.Millisecond)
		if l := r.latest(random.IntN(r.rows)); l != nil {
			l.speak(random, i)
		}
	}
}

func (l *life) speak(random *rand.Rand, i int) {
	one := &sent{text: fmt.Sprintf("%s, the service: %d", l.channel, i), began: time.Now(), service: true}
	channel, ok := l.round.channel(l.channel)
	if !ok {
		return
	}
	payload := (&faultSeat{life: l}).payload(one.text)
	switch random.IntN(3) {
	case 0:
		one.to = "alice" // who is the master, or was
		one.Receipt, one.err = channel.Send(context.Background(), one.to, payload)
	case 1:
		one.to = l.round.somebody(random)
		one.Receipt, one.err = channel.Send(context.Background(), one.to, payload)
	default:
		one.to = toEverybody
		one.Receipt, one.err = channel.Broadcast(context.Background(), payload)
	}
	one.done = time.Now()
	for _, may := range []error{nil, lectern.ErrNoSuchSlave, lectern.ErrNoSuchChannel, lectern.ErrBusy, lectern.ErrShuttingDown} {
		if errors.Is(one.err, may) {
			l.mu.Lock()
			l.spoken = append(l.spoken, one)
			l.mu.Unlock()
			return
		}
	}
	l.round.fail("the service speaks in %s: %w", l.channel, one.err)
}

// addSpoken adds what the service has said to what went down and up in the channel. What it has said
// to one in the moment in which that one became a master, or was one no more, went either way.
func (l *life) addSpoken(down, up map[string]*sent) {
	for _, one := range l.spoken {
		is, was := l.mayReign(one.to, one.began, one.done)
		if is && was {
			either := *one
			either.err = lectern.ErrSendUnknown
			one = &either
		}
		if is {
			up[one.text] = one
		}
		if was {
			down[one.text] = one
		}
	}
}
