package stage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// A Lesson is a channel in which everybody talks all the time: the master says the numbers from
// one on, each slave repeats them, and the next one comes when all have, at the pace that a hub
// allows to slaves. So a message that is
// lost, comes twice or out of order, and a member that is let go, is an error, whatever happens
// to the hub meanwhile. Everybody also asks something at the beginning that is answered at the
// end.
type Lesson struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
	master *lectern.Master
	slaves []*lectern.Slave

	goroutines sync.WaitGroup
	mu         sync.Mutex
	changed    *sync.Cond
	rounds     int
	answering  bool // what was asked is answered from now on
	over       bool // the master says no further number
	answers    int
	err        error
}

// pace is the pause before the next number. A slave has 100 messages a second by default.
const pace = 12 * time.Millisecond

// StartLesson begins a lesson, with the first client's master and a slave of each other one.
func StartLesson(t *testing.T, channel string, clients ...*lectern.Client) *Lesson {
	t.Helper()
	l := &Lesson{t: t}
	l.changed = sync.NewCond(&l.mu)
	l.ctx, l.cancel = context.WithTimeout(t.Context(), waitLimit)
	t.Cleanup(func() {
		l.cancel()
		l.goroutines.Wait()
	})
	var err error
	l.master, err = clients[0].Create(l.ctx, channel, "teacher")
	require.NoError(t, err)
	for i, client := range clients[1:] {
		slave, err := client.Join(l.ctx, channel, fmt.Sprint("student ", i+1))
		require.NoError(t, err)
		l.slaves = append(l.slaves, slave)
	}
	l.do(l.teach)
	l.do(l.gather)
	for _, slave := range l.slaves {
		l.do(func() error { return l.repeat(slave) })
		l.do(func() error { return l.ask(slave) })
	}
	return l
}

// Goes on for so many rounds more.
func (l *Lesson) Goes(rounds int) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for until := l.rounds + rounds; l.rounds < until && l.err == nil; {
		l.changed.Wait()
	}
	require.NoError(l.t, l.err)
}

// Ends expects that nobody was let go, and that what was asked is answered, and ends the lesson.
func (l *Lesson) Ends() {
	l.t.Helper()
	l.set(func() { l.answering = true })
	l.mu.Lock()
	for l.answers < 2*len(l.slaves) && l.err == nil {
		l.changed.Wait()
	}
	l.mu.Unlock()
	for _, h := range l.Handles() {
		require.NoError(l.t, h.Err())
	}
	l.set(func() { l.over = true })
	l.goroutines.Wait()
	require.NoError(l.t, l.err)
	require.Equal(l.t, 2*len(l.slaves), l.answers)
}

// Handles are those of the master and of the slaves.
func (l *Lesson) Handles() []Handle {
	handles := []Handle{l.master}
	for _, slave := range l.slaves {
		handles = append(handles, slave)
	}
	return handles
}

func (l *Lesson) do(part func() error) {
	l.goroutines.Go(func() {
		if err := part(); err != nil {
			l.set(func() { l.err = errors.Join(l.err, err) })
			l.cancel()
		}
	})
}

func (l *Lesson) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	l.changed.Broadcast()
}

func (l *Lesson) is(what *bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *what
}

// teach is what the master does.
func (l *Lesson) teach() error {
	say := func(number int) error {
		_, err := l.master.Broadcast(l.ctx, lectern.Text(strconv.Itoa(number)))
		return err
	}
	round, said, questions := 1, make(map[string]int), []lectern.Message(nil)
	if err := say(round); err != nil {
		return err
	}
	for event, err := range l.master.Events(l.ctx) {
		if err != nil {
			return fmt.Errorf("the master: %w", err)
		}
		if gap, ok := event.(lectern.Gap); ok {
			return fmt.Errorf("the master: %#v", gap)
		}
		message, ok := event.(lectern.Message)
		switch {
		case !ok:
			continue
		case message.RequestID != 0:
			questions = append(questions, message)
		case message.Text() != strconv.Itoa(said[message.From]+1):
			return fmt.Errorf("%s says %q after %d", message.From, message.Text(), said[message.From])
		default:
			said[message.From]++
		}
		if l.is(&l.answering) {
			for _, question := range questions {
				if _, err := l.master.Reply(l.ctx, question, lectern.Text("to "+question.From)); err != nil {
					return err
				}
			}
			questions = nil
		}
		all := len(said) == len(l.slaves)
		for _, number := range said {
			all = all && number == round
		}
		if !all {
			continue
		}
		l.set(func() { l.rounds++ })
		if l.is(&l.over) {
			return l.master.Close()
		}
		round++
		time.Sleep(pace)
		if err := say(round); err != nil {
			return err
		}
	}
	return nil
}

// repeat is what a slave does.
func (l *Lesson) repeat(slave *lectern.Slave) error {
	last, questions := 0, []lectern.Message(nil)
	for event, err := range slave.Events(l.ctx) {
		if errors.Is(err, lectern.ErrMasterLeft) && l.is(&l.over) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", slave.Username(), err)
		}
		if gap, ok := event.(lectern.Gap); ok {
			return fmt.Errorf("%s: %#v", slave.Username(), gap)
		}
		message, ok := event.(lectern.Message)
		if !ok {
			continue
		}
		if message.RequestID != 0 {
			questions = append(questions, message)
			continue
		}
		if last++; message.Text() != strconv.Itoa(last) {
			return fmt.Errorf("%s is told %q, where %d comes next", slave.Username(), message.Text(), last)
		}
		if l.is(&l.answering) {
			for _, question := range questions {
				if _, err := slave.Reply(l.ctx, question, lectern.Text("here")); err != nil {
					return err
				}
			}
			questions = nil
		}
		if _, err := slave.Send(l.ctx, message.Payload); err != nil {
			return fmt.Errorf("%s: %w", slave.Username(), err)
		}
	}
	return nil
}

// ask is a slave's question to the master.
func (l *Lesson) ask(slave *lectern.Slave) error {
	answer, err := slave.Request(l.ctx, lectern.Text("what does it mean?"))
	if err == nil && answer.Text() != "to "+slave.Username() {
		err = fmt.Errorf("the answer is %q", answer.Text())
	}
	if err != nil {
		return fmt.Errorf("%s asks: %w", slave.Username(), err)
	}
	l.set(func() { l.answers++ })
	return nil
}

// gather is the master's question to all.
func (l *Lesson) gather() error {
	for answer := range l.master.Gather(l.ctx, lectern.Text("who is here?")) {
		if answer.Err != nil {
			return fmt.Errorf("the master asks %q: %w", answer.From, answer.Err)
		}
		l.set(func() { l.answers++ })
	}
	return nil
}
