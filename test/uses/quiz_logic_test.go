package uses

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// question is what the host asks, and for how long. The players are not told the answer.
type question struct {
	Number int           `json:"number"`
	Text   string        `json:"text"`
	Time   time.Duration `json:"-"`
	Answer string        `json:"-"`
}

// move is what a player does about a question: it says something after a while.
type move struct {
	After time.Duration
	Say   string
}

const pass = "pass"

// rude tells which answers nobody should have to read.
func rude(answer string) bool { return strings.HasPrefix(answer, "damn ") }

// line is one of the board's.
type line struct {
	Player string `json:"player"`
	Points int    `json:"points"`
}

// scores are what the players have: 10 points for each right answer, and 5 more for the first.
type scores struct {
	mu     sync.Mutex
	points map[string]int
}

func (s *scores) add(player string, points int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.points == nil {
		s.points = make(map[string]int)
	}
	s.points[player] += points
}

// board has everybody, the best first.
func (s *scores) board() []line {
	s.mu.Lock()
	defer s.mu.Unlock()
	board := []line{}
	for player, points := range s.points {
		board = append(board, line{player, points})
	}
	slices.SortFunc(board, func(a, b line) int {
		return cmp.Or(cmp.Compare(b.Points, a.Points), cmp.Compare(a.Player, b.Player))
	})
	return board
}

// round is how one question went: who was asked, and who did what.
type round struct {
	question question
	scores   *scores

	asked                         []string
	right, wrong, passed, without []string
}

func (r *round) answered(player, answer string) {
	if answer != r.question.Answer {
		r.wrong = append(r.wrong, player)
		return
	}
	r.scores.add(player, 10)
	if len(r.right) == 0 {
		r.scores.add(player, 5)
	}
	r.right = append(r.right, player)
}

// attendance counts who is in the show, and how often somebody came back to it.
type attendance struct {
	mu    sync.Mutex
	there map[string]bool
	most  int
	back  int
}

func (a *attendance) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.there = make(map[string]bool)
}

func (a *attendance) set(player string, there bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if there {
		a.there[player] = true
	} else {
		delete(a.there, player)
	}
	a.most = max(a.most, len(a.there))
}

func (a *attendance) cameBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.back++
}

func (a *attendance) counts() (there, most, back int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.there), a.most, a.back
}

// game is what a player's page is about: what it shows, and what the player does.
type game struct {
	disk    *disk
	picture string
	moves   map[int]move // by the question's number

	mu    sync.Mutex
	shown map[string]string // by what it is: the board, the question
	lines []string          // notices, and what became of the player's own answers
}

// says yields what the player says, once it has thought, and what it says in its place where
// that was rude.
func (g *game) says(q question) iter.Seq[string] {
	return func(yield func(string) bool) {
		m := g.moves[q.Number]
		time.Sleep(m.After)
		if yield(m.Say) {
			yield(strings.TrimPrefix(m.Say, "damn "))
		}
	}
}

func (g *game) show(what, content string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shown == nil {
		g.shown = make(map[string]string)
	}
	g.shown[what] = content
}

func (g *game) tell(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lines = append(g.lines, line)
}

func (g *game) sees(what string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shown[what]
}

func (g *game) told() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.lines)
}
