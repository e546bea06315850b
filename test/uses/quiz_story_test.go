package uses

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport/memory"
)

// evening is a show: its host, and its players by their names, each on the device that it has now.
type evening struct {
	t       *testing.T
	hub     *lectern.Hub
	network *memory.Listener
	host    *host
	players map[string]*player
	links   map[string]*memory.Conn
	disks   map[string]*disk
	running sync.WaitGroup
}

// loads has the page of a player loaded, for the first time or again: another program then,
// which has what the one before has left on the disk, and the network of one that is gone.
func (e *evening) loads(number int) {
	name := playerName(number)
	if e.disks[name] == nil {
		e.disks[name] = new(disk)
	}
	p := &player{game: game{disk: e.disks[name], picture: "a picture of " + name, moves: movesOf(number)}}
	require.NoError(e.t, p.enter(e.t.Context(), e.network, "friday", name))
	conns := e.network.Conns()
	e.players[name], e.links[name] = p, conns[len(conns)-1]
	e.running.Go(func() { p.play(e.t.Context()) })
	e.t.Cleanup(func() { p.client.Close() })
}

// asks has the host ask, while something happens.
func (e *evening) asks(q question, meanwhile func()) *round {
	asked := stage.InBackground(func() (*round, error) { return e.host.ask(e.t.Context(), q) })
	meanwhile()
	outcome := <-asked
	require.NoError(e.t, outcome.Err)
	synctest.Wait()
	return outcome.Value
}

const players = 30

func playerName(number int) string { return fmt.Sprintf("player %02d", number) }

func names(from, to int) (all []string) {
	for number := from; number <= to; number++ {
		all = append(all, playerName(number))
	}
	return all
}

// right tells whether a player knows the answer, where it says something in time.
func right(number, question int) bool { return (number+question)%3 != 0 }

// movesOf are what a player is going to do: those with the lower numbers are quicker.
func movesOf(number int) map[int]move {
	moves := make(map[int]move)
	for _, q := range questions {
		moves[q.Number] = move{time.Duration(number) * 100 * time.Millisecond, q.Answer}
		if !right(number, q.Number) {
			moves[q.Number] = move{moves[q.Number].After, "no idea, Bielefeld?"}
		}
	}
	switch number {
	case 3:
		moves[1] = move{time.Second, pass}
	case 4:
		moves[1] = move{time.Second, "damn Paris"}
	case 5:
		moves[1] = move{25 * time.Second, "Paris"} // which is over by then
	case 6:
		moves[1] = move{6 * time.Second, "Paris"} // and the page is loaded again before
	}
	return moves
}

var questions = []question{
	{1, "The capital of France?", 20 * time.Second, "Paris"},
	{2, "The capital of Italy?", 20 * time.Second, "Rome"},
	{3, "The capital of Spain?", 20 * time.Second, "Madrid"},
}

// expected are the points that all should have at the end.
func expected() map[string]int {
	points := make(map[string]int)
	for number := 1; number <= players; number++ {
		for _, q := range questions {
			// One passes the first question, and some were not there yet.
			if right(number, q.Number) && (q.Number > 1 || number != 3 && number <= 28) {
				points[playerName(number)] += 10
			}
		}
	}
	for _, first := range []int{1, 2, 1} {
		points[playerName(first)] += 5
	}
	return points
}

func TestQuiz(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := stage.NewLedger(topics...)
		hub, err := newQuiz("a host's token", ledger)
		require.NoError(t, err)
		e := &evening{t: t, hub: hub, network: memory.Listen(hub, memory.Options{}), players: map[string]*player{}, links: map[string]*memory.Conn{}, disks: map[string]*disk{}}
		defer e.network.Close()
		var door attendance
		e.running.Go(func() { door.attend(hub) })
		defer e.running.Wait()
		defer hub.Close()

		_, err = hub.Create(t.Context(), "friday", "a player")
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		e.host = new(host)
		e.host.master, err = hub.Create(t.Context(), "friday", "host", lectern.WithToken("a host's token"))
		require.NoError(t, err)
		e.running.Go(func() { e.host.follow(t.Context()) })
		for number := 1; number <= 25; number++ {
			e.loads(number)
		}

		typist := e.players[playerName(2)]
		typed := 0
		e.running.Go(func() {
			for err := error(nil); err == nil; typed++ {
				err = typist.types(t.Context(), fmt.Sprint("Bielefeld? ", typed))
				time.Sleep(100 * time.Millisecond)
			}
		})

		first := e.asks(questions[0], func() {
			time.Sleep(5 * time.Second)
			e.loads(6) // the question was taken, and is not answered
			for number := 26; number <= 28; number++ {
				e.loads(number)
			}
			synctest.Wait()
			for _, number := range []int{1, 6, 28} {
				require.JSONEq(t, `{"number":1,"text":"The capital of France?"}`, e.players[playerName(number)].sees("question"))
			}
		})
		slices.Sort(first.asked)
		require.Equal(t, names(1, 28), first.asked)
		require.Equal(t, []string{playerName(3)}, first.passed)
		require.Equal(t, []string{playerName(5)}, first.without)
		require.Contains(t, first.right, playerName(4), "once it was polite")
		require.Contains(t, first.right, playerName(6), "after it was loaded again")
		require.Contains(t, first.right, playerName(28), "who came late")

		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"that was too late"}, e.players[playerName(5)].told())
		require.Contains(t, e.players[playerName(4)].told()[0], "mind your words")
		e.loads(29)
		e.loads(30)
		synctest.Wait()
		require.NotEmpty(t, e.players[playerName(30)].sees("board"))
		late := &player{game: game{disk: new(disk)}}
		require.ErrorIs(t, late.enter(t.Context(), e.network, "friday", "one too many"), lectern.ErrChannelFull)
		require.NoError(t, late.client.Close())

		second := e.asks(questions[1], func() {
			time.Sleep(100 * time.Millisecond)
			e.network.Refuse(errors.New("no network"))
			e.links[playerName(9)].Cut() // before it answers
			time.Sleep(5 * time.Second)
			e.network.Refuse(nil)
			require.NoError(t, announce(t.Context(), hub, "friday", "five minutes left"))
		})
		require.Contains(t, append(second.right, second.wrong...), playerName(9))
		e.asks(questions[2], func() {})

		require.EqualValues(t, 3+3, ledger.Count("messages_by_topic question"), "one for each who came late")
		require.EqualValues(t, 28+30+30-2, ledger.Count("messages_by_topic answer"), "the others passed, or were too late")
		there, most, back := door.counts()
		require.Equal(t, []int{players, players, 2}, []int{there, most, back})
		board, err := json.Marshal(e.host.scores.board())
		require.NoError(t, err)
		for name, points := range expected() {
			require.Equal(t, points, e.host.scores.points[name], name)
		}
		for name, p := range e.players {
			require.JSONEq(t, string(board), p.sees("board"), name)
			require.Contains(t, p.told(), "five minutes left", name)
		}
		for number := 1; number <= players; number++ {
			about := e.host.master.AttributesOf(playerName(number))
			require.Equal(t, "a picture of "+playerName(number), about["picture"].Text())
			require.Equal(t, number == 2, about["typing"].Text() != "")
		}
		require.NoError(t, typist.slave.Err())
		require.NoError(t, e.host.master.Close())
	})
}
