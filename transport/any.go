package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// DialAny returns a Dialer that leads to several places, of which any will do: processes that
// take each other's place, for instance. Each Dial begins with the place behind the one that was
// tried last, tries each of them once, and returns the first connection. Where the context has a
// deadline, each place has an equal part of the time that is left to it and those behind it. Where
// none can be reached, the error names each place by its number, from 1, and wraps its error;
// it matches net.ErrClosed only where all of them do.
//
// It is a [FirstDialer] whose first message goes along to those that are one, and a
// [FirstTokenDialer] that lets it hold a token where each of these does. A message that
// was sent along to a place that has failed is sent to the next one too.
// It is also a [PlaceCounter].
//
// A lectern.Client that is told by a hub that another one had its membership tries each place
// before it gives it up.
func DialAny(dialers ...Dialer) Dialer { return &anyDialer{dialers: dialers} }

// PlaceCounter is an optional power of a [Dialer]: it leads to so many places, each of which may
// be another hub, and consecutive connections are tried at different ones.
type PlaceCounter interface {
	Places() int
}

// Places is to how many places the dialer leads, at least one. A dialer that only adds to another
// one, and has a method Unwrap that returns it, leads to as many as that.
func Places(dialer Dialer) int {
	for {
		if counter, ok := dialer.(PlaceCounter); ok {
			return max(counter.Places(), 1)
		}
		wrapper, ok := dialer.(interface{ Unwrap() Dialer })
		if !ok {
			return 1
		}
		dialer = wrapper.Unwrap()
	}
}

// WithPlace is a context for a Dial. A dialer that leads to several places, as that of DialAny
// does, sets place to which of them the connection is to, from 0. Others leave it as it is.
func WithPlace(ctx context.Context, place *int) context.Context {
	return context.WithValue(ctx, placeKey{}, place)
}

// placeKey is the key of WithPlace's value.
type placeKey struct{}

type anyDialer struct {
	dialers []Dialer

	mu   sync.Mutex
	next int // with which the next Dial begins
}

// Unwrap returns the dialers to the places.
func (d *anyDialer) Unwrap() []Dialer { return d.dialers }

// Places is that of PlaceCounter.
func (d *anyDialer) Places() int {
	n := 0
	for _, dialer := range d.dialers {
		n += Places(dialer)
	}
	return n
}

func (d *anyDialer) Dial(ctx context.Context) (Conn, error) {
	conn, _, err := d.dial(ctx, func(ctx context.Context, dialer Dialer) (Conn, bool, error) {
		conn, err := dialer.Dial(ctx)
		return conn, false, err
	})
	return conn, err
}

// DialFirst is that of FirstDialer.
func (d *anyDialer) DialFirst(ctx context.Context, message []byte) (conn Conn, sent bool, err error) {
	return d.dial(ctx, func(ctx context.Context, dialer Dialer) (Conn, bool, error) {
		if first, ok := dialer.(FirstDialer); ok {
			return first.DialFirst(ctx, message)
		}
		conn, err := dialer.Dial(ctx)
		return conn, false, err
	})
}

// FirstMayHoldToken is that of FirstTokenDialer.
func (d *anyDialer) FirstMayHoldToken() bool {
	for _, dialer := range d.dialers {
		if _, ok := dialer.(FirstDialer); !ok {
			continue
		}
		if withToken, ok := dialer.(FirstTokenDialer); !ok || !withToken.FirstMayHoldToken() {
			return false
		}
	}
	return true
}

var errNoPlace = errors.New("transport: DialAny was given no dialer")

// dial tries each place.
func (d *anyDialer) dial(ctx context.Context, dial func(context.Context, Dialer) (Conn, bool, error)) (Conn, bool, error) {
	if len(d.dialers) == 0 {
		return nil, false, errNoPlace
	}
	told, _ := ctx.Value(placeKey{}).(*int)
	var errs placeErrors
	for left := len(d.dialers); left > 0; left-- {
		place := d.take()
		within := 0
		conn, sent, err := dialWithin(WithPlace(ctx, &within), left, d.dialers[place], dial)
		if err == nil {
			if told != nil {
				*told = within + (&anyDialer{dialers: d.dialers[:place]}).Places()
			}
			return conn, sent, nil
		}
		errs = append(errs, fmt.Errorf("place %d of %d: %w", place+1, len(d.dialers), err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, false, errs
}

// take is the place to try, which the next one is behind.
func (d *anyDialer) take() (place int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	place = d.next
	d.next = (place + 1) % len(d.dialers)
	return place
}

// dialWithin dials one place, in its part of the time where there are so many left.
func dialWithin(ctx context.Context, left int, dialer Dialer, dial func(context.Context, Dialer) (Conn, bool, error)) (Conn, bool, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return dial(ctx, dialer)
}

// placeErrors are why none of the places could be reached.
type placeErrors []error

func (e placeErrors) Error() string { return errors.Join(e...).Error() }

// Is reports for net.ErrClosed whether no place will ever accept a connection.
func (e placeErrors) Is(target error) bool {
	for _, err := range e {
		if matches := errors.Is(err, target); matches != (target == net.ErrClosed) {
			return matches
		}
	}
	return target == net.ErrClosed
}

// As finds the first error of a place that is of the type.
func (e placeErrors) As(target any) bool {
	for _, err := range e {
		if errors.As(err, target) {
			return true
		}
	}
	return false
}
