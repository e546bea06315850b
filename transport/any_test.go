package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// place is a dialer to one place. It writes down what it is asked for.
type place struct {
	name string
	log  *[]string
	err  error
	// hangs: it does not answer.
	hangs bool
}

func (p *place) Dial(ctx context.Context) (transport.Conn, error) {
	*p.log = append(*p.log, p.name)
	if p.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, p.err
}

// firstPlace takes a first message along, firstTokenPlace one with a token, or not.
type firstPlace struct{ *place }

func (p firstPlace) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	conn, err := p.Dial(ctx)
	*p.log = append(*p.log, string(message))
	return conn, err == nil, err
}

type firstTokenPlace struct {
	firstPlace
	may bool
}

func (p firstTokenPlace) FirstMayHoldToken() bool { return p.may }

// wrapped adds nothing to a dialer.
type wrapped struct{ transport.Dialer }

func (w wrapped) Unwrap() transport.Dialer { return w.Dialer }

var errDown = errors.New("down")

func TestDialAny(t *testing.T) {
	var log []string
	a, b, c := &place{name: "a", log: &log}, &place{name: "b", log: &log, err: errDown}, &place{name: "c", log: &log}
	dialer := transport.DialAny(a, b, c)
	dial := func(want ...string) error {
		log = nil
		_, err := dialer.Dial(t.Context())
		require.Equal(t, want, log)
		return err
	}
	require.NoError(t, dial("a"))
	require.NoError(t, dial("b", "c"), "behind the one that was used last, until one answers")
	require.NoError(t, dial("a"))
	a.err, c.err = errDown, net.ErrClosed
	err := dial("b", "c", "a")
	require.EqualError(t, err, "place 2 of 3: down\nplace 3 of 3: use of closed network connection\nplace 1 of 3: down")
	require.ErrorIs(t, err, errDown)
	require.NotErrorIs(t, err, net.ErrClosed, "another one may be back")
	a.err, b.err = net.ErrClosed, fmt.Errorf("over: %w", net.ErrClosed)
	require.ErrorIs(t, dial("b", "c", "a"), net.ErrClosed)
	b.err = &transport.CloseError{Reason: transport.Reason{Code: transport.Shutdown}}
	var closed *transport.CloseError
	require.ErrorAs(t, dial("b", "c", "a"), &closed)
	require.NotErrorIs(t, dial("b", "c", "a"), context.Canceled)
	require.False(t, errors.As(dial("b", "c", "a"), new(*net.OpError)))

	_, err = transport.DialAny().Dial(t.Context())
	require.ErrorContains(t, err, "no dialer")
}

// A place that does not answer leaves time for the others. The end of the context is the end.
func TestDialAnyInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		a, b, c := &place{name: "a", log: &log, hangs: true}, &place{name: "b", log: &log, hangs: true}, &place{name: "c", log: &log}
		dialer := transport.DialAny(a, b, c)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		_, err := dialer.Dial(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b", "c"}, log)
		require.Equal(t, 6*time.Second, time.Since(began))

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = dialer.Dial(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, log, 4)
	})
}

func TestDialAnyWithAFirstMessage(t *testing.T) {
	var log []string
	plain := &place{name: "plain", log: &log}
	first := firstPlace{&place{name: "first", log: &log, err: errDown}}
	dialer := transport.DialAny(first, plain)
	_, sent, err := dialer.(transport.FirstDialer).DialFirst(t.Context(), []byte("hello"))
	require.NoError(t, err)
	require.False(t, sent)
	require.Equal(t, []string{"first", "hello", "plain"}, log)
	first.err = nil
	_, sent, err = dialer.(transport.FirstDialer).DialFirst(t.Context(), []byte("hello"))
	require.NoError(t, err)
	require.True(t, sent)

	may, mayNot := firstTokenPlace{first, true}, firstTokenPlace{first, false}
	for _, c := range []struct {
		dialers []transport.Dialer
		want    bool
	}{
		{[]transport.Dialer{may, plain}, true}, {[]transport.Dialer{may, first}, false}, {[]transport.Dialer{may, mayNot}, false},
	} {
		require.Equal(t, c.want, transport.DialAny(c.dialers...).(transport.FirstTokenDialer).FirstMayHoldToken())
	}
}

func TestPlaces(t *testing.T) {
	one := &place{}
	require.Equal(t, 1, transport.Places(one))
	require.Equal(t, 1, transport.Places(transport.DialAny()))
	require.Equal(t, 3, transport.Places(wrapped{transport.DialAny(one, transport.DialAny(one, wrapped{one}))}))
}

// A connection is known to be to its place, also where one of the places is several.
func TestWithPlace(t *testing.T) {
	var log []string
	to := func(err error) *place { return &place{log: &log, err: err} }
	down := errors.New("down")
	first, second, last := to(nil), to(nil), to(nil)
	dialer := transport.DialAny(first, transport.DialAny(second, to(down)), last)
	for _, expected := range []int{0, 1, 3, 0} {
		at := -1
		_, err := dialer.Dial(transport.WithPlace(t.Context(), &at))
		require.NoError(t, err)
		require.Equal(t, expected, at)
	}
	first.err, second.err, last.err = down, down, down
	at := -1
	_, err := dialer.Dial(transport.WithPlace(t.Context(), &at))
	require.Error(t, err)
	require.Equal(t, -1, at)
}
