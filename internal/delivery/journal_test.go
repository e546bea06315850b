package delivery

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// notary is a journal that writes everything down until it fails, and keeps the seats that are left then.
type notary struct {
	fails bool
	left  chan []Left
	// whose is whose journal the channel had in the moment of Leaving.
	of    *Channel
	whose Journal
}

func (n *notary) Look(*star.Channel)        {}
func (n *notary) Commit([]star.Effect) bool { return !n.fails }
func (n *notary) Rest() bool                { return false }
func (n *notary) Remote(*star.Effect) bool  { return false }
func (n *notary) Leaving() {
	if n.of != nil {
		n.whose = n.of.journal
	}
}
func (n *notary) Deposed(_ *Channel, seats []Left) { n.left <- seats }

// What was not committed has not happened: whoever decides the channel next goes by that. So who has left, or was lost, is
// told to it, who has joined is not, and nobody is left out because of an end that nobody was told.
func TestWhoIsLeftOfAChannelThatIsAnothersNow(t *testing.T) {
	for what, test := range map[string]struct {
		decides func(c *channel, master, ada, bob *Seat)
		left    []string
	}{
		"nothing": {func(*channel, *Seat, *Seat, *Seat) {}, []string{"ada admitted", "alice", "bob admitted"}},
		"a slave leaves": {func(c *channel, _, ada, _ *Seat) {
			c.Decide(func(rules *star.Channel, now time.Time) { _ = rules.Leave(now, &ada.Attachment, 0) })
		}, []string{"ada departed", "alice unanswered", "bob admitted"}},
		"a slave is lost": {func(c *channel, _, ada, _ *Seat) {
			c.Decide(func(rules *star.Channel, now time.Time) { rules.Lose(now, &ada.Attachment) })
		}, []string{"ada departed", "alice unanswered", "bob admitted"}},
		"a slave is told something": {func(c *channel, master, ada, _ *Seat) {
			c.Decide(func(rules *star.Channel, _ time.Time) {
				_ = rules.Send(&master.Attachment, star.Message{Ref: 2, To: "ada", HasTo: true})
			})
		}, []string{"ada departed", "alice unanswered", "bob admitted"}},
		"another slave joins": {func(c *channel, _, _, _ *Seat) {
			eve := c.seat(takesAll{})
			c.Decide(func(rules *star.Channel, now time.Time) {
				_ = rules.Enter(&eve.Attachment, func() error { return rules.Join(now, &eve.Attachment, star.Entry{Ref: 1}, "eve", "") })
			})
		}, []string{"ada admitted", "alice unanswered", "bob admitted"}},
		"the service ends it": {func(c *channel, _, _, _ *Seat) {
			c.Decide(func(rules *star.Channel, _ time.Time) { rules.Close("over") })
		}, []string{"ada admitted", "bob admitted"}},
	} {
		t.Run(what, func(t *testing.T) {
			c := newChannel(t, SlowDisconnect, false)
			n := &notary{left: make(chan []Left, 1), of: c.Channel}
			c.rules.Record(true)
			c.Keep(n)
			master := c.enter("alice", wire.Master, takesAll{})
			ada, bob := c.enter("ada", wire.Slave, takesAll{}), c.enter("bob", wire.Slave, takesAll{})
			c.mu.Lock()
			n.fails = true
			c.mu.Unlock()
			test.decides(c, master, ada, bob)
			c.CallJournal()
			var left []string
			for _, l := range <-n.left {
				text := l.Username()
				for word, is := range map[string]bool{" admitted": l.Admitted, " departed": l.Departed, " unanswered": l.Unanswered} {
					if is {
						text += word
					}
				}
				left = append(left, text)
			}
			slices.Sort(left)
			require.Equal(t, test.left, left)
			require.True(t, c.Elsewhere())
			require.Equal(t, Journal(n), n.whose, "whoever asked for the journal until then has got it")
		})
	}
}

// Whoever waits for what was decided behind what could not be committed does not wait for ever.
func TestFlushOfWhatIsNotCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChannel(t, SlowDisconnect, false)
		n := &gate{notary: notary{left: make(chan []Left, 1)}, fails: make(chan struct{})}
		c.rules.Record(true)
		c.Keep(&n.notary)
		c.enter("alice", wire.Master, takesAll{})
		ada := c.enter("ada", wire.Slave, takesAll{})
		c.mu.Lock()
		c.journal = n
		c.mu.Unlock()
		go c.Decide(func(rules *star.Channel, now time.Time) { rules.Lose(now, &ada.Attachment) })
		synctest.Wait()
		go c.Decide(func(rules *star.Channel, _ time.Time) { rules.Close("over") })
		synctest.Wait()
		flushed := make(chan error, 1)
		go func() { flushed <- c.Flush(t.Context()) }()
		synctest.Wait()
		close(n.fails)
		require.NoError(t, <-flushed)
		<-n.left
	})
}

// gate is a notary whose Commit waits, and fails.
type gate struct {
	notary
	fails chan struct{}
}

func (g *gate) Commit([]star.Effect) bool {
	<-g.fails
	return false
}
