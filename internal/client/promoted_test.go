package client

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// promotes is what a hub tells a slave that is the master from then on.
func promotes(asks bool) wire.Frame {
	created := mastersAnswer(wire.Frame{Channel: "abc", Username: "ada"})
	created.Secret, created.Epoch, created.Asks = "another", 2, asks
	return created
}

// left has the hub confirm that the membership is left.
func (p *play) left(hub *peer, m *Membership) error {
	over := make(chan error, 1)
	go func() { over <- m.Close() }()
	synctest.Wait()
	hub.says(wire.Frame{Type: wire.Left, Ref: hub.one(wire.Leave).Ref, Channel: "abc"})
	return <-over
}

// What a new master is asked again comes in front of all else, whatever its numbers are. So it says
// nothing of which attributes have come, where the connection is lost then.
func TestWhatIsAskedAgainIsNoSignOfAttributes(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, hub := p.joins("abc", nil)
		question := message("abc", 10)
		question.From, question.Request = "bob", 10
		hub.says(promotes(true), question)
		require.NotNil(t, m.Next())
		hub.closes(transport.ProtocolError)
		time.Sleep(time.Second)
		hub = p.dialled()
		resume := hub.one(wire.Resume)
		require.Equal(t, "another", resume.Secret)
		require.Zero(t, resume.Seq, "it knows no attributes")
		hub.takesMaster(resume)
		require.NoError(t, p.left(hub, m.Next()))
	})
}

// A master that hands over has no part in the doors of other channels.
func TestTheMasterOfADoorDuringAHandOver(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, hub := p.creates("bob")
		over := make(chan error, 1)
		go func() {
			_, err := m.HandOver(t.Context(), "bob", false)
			over <- err
		}()
		frame := hub.one(wire.HandOver)
		hub.says(wire.Frame{Type: wire.Presence, Channel: "other", Role: wire.Master, Username: "carol", State: wire.StateOnline})
		hub.says(wire.Frame{Type: wire.Ack, Ref: frame.Ref})
		require.NoError(t, <-over)
	})
}
