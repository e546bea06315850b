package cluster

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// desk is an Answering, with what it has replied to one request.
type desk struct {
	t *testing.T
	*Answering
	said []answerMessage
}

func newDesk(t *testing.T) *desk {
	return &desk{t: t, Answering: NewAnswering(room, cluster.HubID{1}, 5, cluster.Nonce{1})}
}

// ask has the desk take request n of a hub, and forgets what was said before.
func (d *desk) ask(hub byte, n uint64) (fresh bool) {
	calls := [][]byte{{hub, byte(n)}}
	d.said = nil
	got, fresh := d.Request(cluster.HubID{hub}, Request{room, 5, cluster.Nonce{1}, n, calls}, d.hear)
	if fresh {
		require.Equal(d.t, calls, got)
	} else {
		require.Nil(d.t, got)
	}
	return fresh
}

func (d *desk) hear(b []byte) error {
	m, err := parseAnswer(b)
	require.NoError(d.t, err)
	require.Equal(d.t, room, m.key)
	d.said = append(d.said, m)
	return nil
}

func (d *desk) answer(hub byte, n uint64, body string) {
	require.NoError(d.t, d.Reply(cluster.HubID{hub}, n, 8, 7, []byte(body)))
}

// outcomes are those of what was said.
func (d *desk) outcomes() (all []Outcome) {
	for _, m := range d.said {
		all = append(all, m.Outcome)
	}
	return all
}

func TestARequestIsCarriedOutOnce(t *testing.T) {
	d := newDesk(t)
	require.True(t, d.ask(9, 4))
	require.False(t, d.ask(9, 4), "under way")
	require.Empty(t, d.said)
	d.answer(9, 4, "done")
	want := answerMessage{key: room, total: 4, chunk: []byte("done"), Answer: Answer{Outcome: Done, Owner: owned(1, 5), N: 4, Position: 8, Shared: 7}}
	require.Equal(t, []answerMessage{want}, d.said, "to the latest of its messages")
	for range 3 {
		require.False(t, d.ask(9, 4))
		require.Equal(t, []answerMessage{want}, d.said)
	}
	d.answer(9, 4, "again")
	require.Len(t, d.said, 1)

	require.True(t, d.ask(9, 7), "an edge may have given some up")
	for _, former := range []uint64{1, 4, 6} {
		require.False(t, d.ask(9, former))
		require.Empty(t, d.said)
	}
	d.answer(9, 4, "to the former")
	require.Empty(t, d.said)
	d.answer(9, 7, "")
	require.False(t, d.ask(9, 6))
	require.Empty(t, d.said)
	require.True(t, d.ask(8, 1), "another edge")
	d.answer(7, 1, "a stranger")
	require.Empty(t, d.said)
}

// The answer goes to the latest message of a request: whoever sent an earlier one may listen no more.
func TestTheLatestMessageIsAnswered(t *testing.T) {
	d := newDesk(t)
	r := Request{room, 5, cluster.Nonce{1}, 1, [][]byte{{}}}
	former := 0
	_, fresh := d.Request(cluster.HubID{9}, r, func([]byte) error { former++; return nil })
	require.True(t, fresh)
	require.False(t, d.ask(9, 1))
	d.answer(9, 1, "")
	require.Len(t, d.said, 1)
	require.Zero(t, former)
}

func TestRequestsForOtherOwners(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		epoch       uint64
		incarnation cluster.Nonce
		outcome     Outcome
		next        Owner
	}{
		{4, cluster.Nonce{1}, Moved, owned(1, 5)},
		{6, cluster.Nonce{1}, Busy, Owner{}},
		{4, cluster.Nonce{2}, Unknown, Owner{}},
		{5, cluster.Nonce{2}, Unknown, Owner{}},
		{6, cluster.Nonce{2}, Unknown, Owner{}},
	} {
		d.said = nil
		r := Request{room, c.epoch, c.incarnation, 3, [][]byte{{}}}
		calls, fresh := d.Request(cluster.HubID{9}, r, d.hear)
		require.False(t, fresh)
		require.Nil(t, calls)
		require.Equal(t, []answerMessage{{key: room, Answer: Answer{
			Outcome: c.outcome, Owner: Owner{cluster.HubID{1}, c.epoch, c.incarnation}, N: 3, Next: c.next,
		}}}, d.said)
		d.said, r.Calls = nil, nil
		_, fresh = d.Request(cluster.HubID{9}, r, d.hear)
		require.False(t, fresh)
		require.Empty(t, d.said, "thanks are not answered")
	}
	require.True(t, d.ask(9, 1), "nothing of it counts")
}

func TestRefuse(t *testing.T) {
	d := newDesk(t)
	require.True(t, d.ask(9, 1))
	d.Refuse(cluster.HubID{9}, 2)
	d.Refuse(cluster.HubID{8}, 1)
	require.Empty(t, d.said)
	d.Refuse(cluster.HubID{9}, 1)
	require.Equal(t, []Outcome{Busy}, d.outcomes())
	require.Equal(t, uint64(1), d.said[0].N)
	require.Equal(t, owned(1, 5), d.said[0].Owner)
	d.Refuse(cluster.HubID{9}, 1)
	d.answer(9, 1, "")
	require.Len(t, d.said, 1)

	require.True(t, d.ask(9, 1), "as it was not carried out")
	d.answer(9, 1, "")
	require.Equal(t, []Outcome{Done}, d.outcomes())
	d.Refuse(cluster.HubID{9}, 1)
	require.False(t, d.ask(9, 1))
	require.Equal(t, []Outcome{Done}, d.outcomes())
}

// Of a lost hub the number is kept: what it repeats is not carried out again.
func TestForget(t *testing.T) {
	d := newDesk(t)
	d.Forget(cluster.HubID{9})
	require.True(t, d.ask(9, 1))
	d.answer(9, 1, "")
	d.Forget(cluster.HubID{9})
	require.Zero(t, d.kept)
	require.False(t, d.ask(9, 1))
	require.Equal(t, []Outcome{Forgotten}, d.outcomes())
	require.True(t, d.ask(9, 2))

	d.Forget(cluster.HubID{9}) // while it is under way
	d.answer(9, 2, "")
	require.Empty(t, d.said)
	require.Zero(t, d.kept)
	require.False(t, d.ask(9, 2))
	require.Equal(t, []Outcome{Forgotten}, d.outcomes())

	require.True(t, d.ask(9, 3))
	d.Forget(cluster.HubID{9})
	require.False(t, d.ask(9, 3), "it is there again in time")
	d.answer(9, 3, "")
	require.Equal(t, []Outcome{Done}, d.outcomes())
	require.False(t, d.ask(9, 3))
	require.Equal(t, []Outcome{Done}, d.outcomes())
}

func TestThanks(t *testing.T) {
	d := newDesk(t)
	thank := func(change func(r *Request)) {
		r := Request{room, 5, cluster.Nonce{1}, 1, nil}
		change(&r)
		_, fresh := d.Request(cluster.HubID{9}, r, d.hear)
		require.False(t, fresh)
	}
	thank(func(*Request) {})
	require.True(t, d.ask(9, 1))
	thank(func(*Request) {})
	d.answer(9, 1, "body")
	for _, change := range []func(r *Request){
		func(r *Request) { r.N = 2 },
		func(r *Request) { r.Epoch = 6 },
		func(r *Request) { r.Incarnation[0]++ },
	} {
		thank(change)
		require.False(t, d.ask(9, 1))
		require.Equal(t, []Outcome{Done}, d.outcomes())
	}
	d.said = nil
	thank(func(*Request) {})
	require.Empty(t, d.said)
	require.Zero(t, d.kept)
	require.False(t, d.ask(9, 1), "it came late")
	require.Equal(t, []Outcome{Forgotten}, d.outcomes())
}

// Of so many edges, and no more, the requests are taken; a lost one makes room, the one that was lost first.
func TestBoundOfEdges(t *testing.T) {
	d := newDesk(t)
	hub := func(i int) cluster.HubID { return cluster.HubID{byte(i >> 8), byte(i)} }
	ask := func(i int) (fresh bool) {
		d.said = nil
		_, fresh = d.Request(hub(i), Request{room, 5, cluster.Nonce{1}, 1, [][]byte{{}}}, d.hear)
		return fresh
	}
	for i := range maxEdges {
		require.True(t, ask(i))
	}
	require.False(t, ask(maxEdges))
	require.Equal(t, []Outcome{Busy}, d.outcomes())
	d.Forget(hub(7))
	d.Forget(hub(3))
	d.Forget(hub(5))
	require.False(t, ask(3), "it is there again")
	require.True(t, ask(maxEdges))
	require.True(t, ask(maxEdges+1))
	require.False(t, ask(maxEdges+2))
	require.False(t, ask(6))
	require.Len(t, d.edges, maxEdges)
	require.NotContains(t, d.edges, hub(7))
	require.NotContains(t, d.edges, hub(5))
	require.NoError(t, d.Reply(hub(5), 1, 1, 1, nil))
}

// Of so many bytes, and no more, answers are kept: the oldest is let go.
func TestBoundOfAnswers(t *testing.T) {
	d := newDesk(t)
	require.True(t, d.ask(1, 1))
	require.ErrorIs(t, d.Reply(cluster.HubID{1}, 1, 1, 1, make([]byte, MaxAnswer+1)), cluster.ErrTooLarge)
	require.Empty(t, d.said)
	body := string(make([]byte, MaxAnswer-chunkSize))
	for hub := range byte(3) {
		require.True(t, d.ask(hub+1, 1) != (hub == 0))
		d.answer(hub+1, 1, body)
		require.Len(t, d.said, MaxAnswer/chunkSize)
		require.LessOrEqual(t, d.kept, maxKept)
	}
	for hub := range byte(3) {
		require.False(t, d.ask(hub+1, 1))
		if hub == 0 {
			require.Equal(t, []Outcome{Forgotten}, d.outcomes())
		} else {
			require.Len(t, d.said, MaxAnswer/chunkSize)
		}
		require.True(t, d.ask(hub+1, 2))
	}
	require.Zero(t, d.kept)
}

// What does not leave is not followed by the rest.
func TestAReplyThatDoesNotLeave(t *testing.T) {
	d := newDesk(t)
	require.True(t, d.ask(9, 1))
	d.answer(9, 1, string(make([]byte, 3*chunkSize)))
	said := 0
	r := Request{room, 5, cluster.Nonce{1}, 1, [][]byte{{}}}
	_, fresh := d.Request(cluster.HubID{9}, r, func([]byte) error { said++; return errors.New("not connected") })
	require.False(t, fresh)
	require.Equal(t, 1, said)
	require.False(t, d.ask(9, 1))
	require.Len(t, d.said, 3)
}
