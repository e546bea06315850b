package resume

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// Whoever is replaced is told so, whatever it is doing (rule 7).

// gate is a log that stops whoever tells it something, so that what is decided
// is not carried out, until it is opened.
type gate struct {
	slog.Handler
	mu   sync.Mutex
	at   string
	open chan struct{}
}

func newGate() *gate { return &gate{Handler: slog.NewTextHandler(io.Discard, nil)} }

// shut stops whoever tells this from now on.
func (g *gate) shut(at string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at, g.open = at, make(chan struct{})
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = ""
	close(g.open)
}

func (g *gate) Handle(_ context.Context, record slog.Record) error {
	g.mu.Lock()
	stops, open := record.Message == g.at, g.open
	g.mu.Unlock()
	if stops {
		<-open
	}
	return nil
}

// The one who is replaced sends something between the decision and the word of
// it. It must not come back by itself and throw the other one out.
func TestRule7ReplacedWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := newGate()
		gate.shut("slave joined")
		s := stage.New(t, stage.InMemory[0], lectern.Policy{Logger: slog.New(gate)})
		first := s.User().Creates("abc123", "alice")
		slave := s.User().Joins("abc123", "user_one") // and what is decided is not carried out from now on

		second := make(chan *lectern.Master)
		go func() {
			master, err := s.User().ResumeMaster(stage.Within(t), first.Ticket())
			require.NoError(t, err)
			second <- master
		}()
		synctest.Wait()
		still := make(chan error)
		go func() {
			_, err := first.Broadcast(stage.Within(t), lectern.Text("still me"))
			still <- err
		}()
		synctest.Wait()
		gate.release()
		master := <-second
		require.ErrorIs(t, <-still, lectern.ErrReplaced)
		time.Sleep(10 * time.Second)
		stage.Ended(t, first, lectern.ErrReplaced)
		require.NoError(t, master.Err())
		stage.Broadcast(t, master, "me instead")
		stage.NextText(t, slave, "me instead")
	})
}

// late is a connection whose reader is late.
type late struct {
	transport.Conn
	open chan struct{}
}

func (l late) Read() ([]byte, error) {
	<-l.open
	return l.Conn.Read()
}

type lateDialer struct {
	*stage.User
	open chan struct{}
}

func (d lateDialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.User.Dial(ctx)
	return late{conn, d.open}, err
}

// A client that fails to write still has to read why its connection ended.
func TestRule7ReplacedWithTheWordOfItUnread(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		open := make(chan struct{})
		old := lectern.NewClient(lateDialer{s.User(), open}, lectern.ClientOptions{})
		defer old.Close()
		go func() { open <- struct{}{} }() // for created
		first, err := old.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		master, err := s.User().ResumeMaster(stage.Within(t), first.Ticket())
		require.NoError(t, err)
		synctest.Wait()

		fails := make(chan error)
		for range 2 {
			go func() {
				_, err := first.Broadcast(stage.Within(t), lectern.Text("still me"))
				fails <- err
			}()
			synctest.Wait()
		}
		close(open)
		for range 2 {
			require.ErrorIs(t, <-fails, lectern.ErrReplaced)
		}
		stage.Ended(t, first, lectern.ErrReplaced)
		require.NoError(t, master.Err())
	})
}

// A join that was given up, whose answer comes when the next one is on its way,
// must not cost that one its membership.
func TestJoinBehindOneThatWasGivenUp(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		open := make(chan struct{})
		client := lectern.NewClient(lateDialer{s.User(), open}, lectern.ClientOptions{})
		defer client.Close()
		ctx, giveUp := context.WithCancel(t.Context())
		given := make(chan error)
		go func() {
			_, err := client.Join(ctx, "abc123", "user_one")
			given <- err
		}()
		synctest.Wait()
		giveUp()
		require.ErrorIs(t, <-given, context.Canceled)

		joined := make(chan *lectern.Slave)
		go func() {
			slave, err := client.Join(stage.Within(t), "abc123", "user_one")
			require.NoError(t, err)
			joined <- slave
		}()
		synctest.Wait()
		close(open)
		slave := <-joined
		synctest.Wait()
		stage.Say(t, slave, "here")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		stage.NextText(t, master, "here")
	})
}
