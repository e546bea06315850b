package memnet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := Listen()
		for i := range 3 { // nobody need be accepting yet
			c, err := listener.Dial(t.Context())
			require.NoError(t, err)
			write(t, c, fmt.Sprint(i))
		}
		for i := range 2 {
			c, err := listener.Accept()
			require.NoError(t, err)
			read(t, c.(*Conn), fmt.Sprint(i))
		}
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := Listen()
		accepting := func() <-chan error {
			failed := make(chan error, 1)
			go func() {
				_, err := listener.Accept()
				failed <- err
			}()
			return failed
		}
		first := accepting()
		accepted, err := listener.Dial(t.Context())
		require.NoError(t, err)
		require.NoError(t, <-first)
		second := accepting()
		synctest.Wait()
		require.NoError(t, listener.Close())
		require.ErrorIs(t, <-second, net.ErrClosed)
		require.ErrorIs(t, <-accepting(), net.ErrClosed)
		require.NoError(t, listener.Close())

		write(t, accepted, "goes on")
		_, err = listener.DialContext(t.Context(), "tcp", "anywhere:1")
		require.ErrorIs(t, err, ErrRefused)
		require.NotErrorIs(t, err, net.ErrClosed)
	})
}

func TestListenerCloseResetsWhoWaits(t *testing.T) {
	listener := Listen()
	c, err := listener.DialContext(t.Context(), "", "")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, readError(t, c.(*Conn)), errReset)
}

func TestDialContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, err := Listen().DialContext(ctx, "", "")
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, c)
}

// What it is for: a server of the standard library in a bubble.
func TestHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := Listen()
		server := &http.Server{
			ReadHeaderTimeout: 5 * time.Second,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				_, _ = fmt.Fprintf(w, "%s %s", r.URL.Path, body)
			}),
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		client := http.Client{Transport: &http.Transport{DialContext: listener.DialContext}}
		for range 3 {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://memory/echo", io.LimitReader(zeros{}, 1000))
			require.NoError(t, err)
			answer, err := client.Do(request)
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Len(t, body, len("/echo ")+1000)
		}
		client.CloseIdleConnections()

		// One who never completes its request.
		slow, err := listener.Dial(t.Context())
		require.NoError(t, err)
		start := time.Now()
		write(t, slow, "GET / HT")
		_, _ = io.Copy(io.Discard, slow)
		require.Equal(t, 5*time.Second, time.Since(start))
		require.NoError(t, slow.Close())

		require.NoError(t, server.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
