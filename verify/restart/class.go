package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// patience is how long a call may take that has to be answered in the end.
const patience = 20 * time.Second

// class is a channel under load: its master, and slaves in Go and in JavaScript.
type class struct {
	place   *place
	counts  counts
	rate    int
	master  *lectern.Master
	endings []ending
	down    stream // what the master sends
	members []*member
	script  *script
	// scripted is what the master in JavaScript sends, in a channel of its own, to listener.
	scripted stream
	listener *member

	clients []*lectern.Client
	// stopping ends what sends. What was begun is awaited.
	stopping chan struct{}
	senders  sync.WaitGroup
	// readers end with their memberships, or with reading.
	reading context.Context
	quit    context.CancelFunc
	readers sync.WaitGroup

	mu     sync.Mutex
	random *rand.Rand
	asked  int // how many requests were made, for their names
	ending bool
}

// member is one slave of the class.
type member struct {
	name  string
	index int
	slave *lectern.Slave // nil: in JavaScript
	inbox inbox
	up    stream // what it sends
	upIn  inbox  // and what of it the master got
	// questions are those that it was asked.
	mu        sync.Mutex
	questions map[string]bool
}

// ending is when a membership was over, and why.
type ending struct {
	name  string
	ended time.Time
	why   string
}

const channelName = "class"

func newClass(p *place, rate int, seed uint64) *class {
	c := &class{place: p, rate: rate, stopping: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 1))}
	c.reading, c.quit = context.WithCancel(context.Background())
	return c
}

// client returns a new client, over WebSocket or netconn in turn.
func (c *class) client() *lectern.Client {
	var dialer transport.Dialer
	if len(c.clients)%2 == 0 {
		dialer = wsDialer{websocket.Dialer{URL: "ws://" + c.place.ws}, &c.counts}
	} else {
		dialer = tcpDialer{netconn.Dialer{Address: c.place.tcp}, &c.counts}
	}
	client := lectern.NewClient(dialer, lectern.ClientOptions{Inbox: lectern.QueueLimit{Messages: 1 << 16, Bytes: 64 << 20}})
	c.clients = append(c.clients, client)
	return client
}

// begin has everybody enter, and then send.
func (c *class) begin(ctx context.Context, slaves, scripts int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	if c.master, err = c.client().Create(ctx, channelName, "master"); err != nil {
		return err
	}
	for i := range slaves {
		m := &member{name: fmt.Sprint("slave ", i), index: i, questions: make(map[string]bool)}
		if m.slave, err = c.client().Join(ctx, channelName, m.name); err != nil {
			return err
		}
		c.members = append(c.members, m)
	}
	for i := range scripts {
		c.members = append(c.members, &member{name: fmt.Sprint("script ", i), index: slaves + i, questions: make(map[string]bool)})
	}
	if scripts > 0 {
		if c.script, err = startScript(c, c.members[slaves:]); err != nil {
			return err
		}
		c.listener = &member{name: "listener", questions: make(map[string]bool)}
		if c.listener.slave, err = c.client().Join(ctx, scriptedName, "listener"); err != nil {
			return err
		}
		c.readers.Go(func() { c.read(c.listener) })
	}
	for _, m := range c.members {
		if m.slave != nil {
			c.readers.Go(func() { c.read(m) })
			c.senders.Go(func() { c.say(m) })
			c.senders.Go(func() { c.ask(m) })
		}
	}
	c.readers.Go(c.readMaster)
	c.senders.Go(c.teach)
	c.senders.Go(c.askSlaves)
	c.senders.Go(c.gather)
	if c.script != nil {
		c.script.say("go")
	}
	return nil
}

// calm has nobody begin anything any more, and waits for what was begun.
func (c *class) calm() {
	close(c.stopping)
	c.senders.Wait()
	if c.script != nil {
		c.script.calm()
	}
}

// end closes all clients.
func (c *class) end() {
	c.mu.Lock()
	c.ending = true
	c.mu.Unlock()
	c.quit()
	if c.script != nil {
		c.script.end()
	}
	c.readers.Wait()
	var closing sync.WaitGroup
	for _, client := range c.clients {
		closing.Go(func() { _ = client.Close() })
	}
	closing.Wait()
}

// stopped reports whether nothing is to be begun any more; else it waits.
func (c *class) stopped(pause time.Duration) bool {
	if pause <= 0 {
		select {
		case <-c.stopping:
			return true
		default:
			return false
		}
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-c.stopping:
		return true
	case <-timer.C:
		return false
	}
}

func (c *class) draw(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

// name is that of the next request.
func (c *class) name() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return c.asked
}

// insist sends until it was accepted, or the membership is over. What was refused for the
// moment is counted: nobody has got it, and it is sent again.
func (c *class) insist(what string, send func(context.Context) error) outcome {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := send(ctx)
		cancel()
		switch {
		case err == nil:
			return accepted
		case errors.Is(err, lectern.ErrSendUnknown):
			return unknown
		case errors.Is(err, lectern.ErrBusy):
			c.counts.add(busy, fmt.Errorf("%s: %w", what, err))
			time.Sleep(20 * time.Millisecond)
		case errors.Is(err, lectern.ErrShuttingDown), errors.Is(err, lectern.ErrRateLimited):
			c.counts.add(sendsRefused, fmt.Errorf("%s: %w", what, err))
			time.Sleep(20 * time.Millisecond)
		default:
			var refusal *lectern.Error
			if !errors.As(err, &refusal) {
				c.counts.add(sendsRefused, fmt.Errorf("%s: %w", what, err))
			}
			return refused
		}
	}
}

// teach sends the master's messages at their rate: four of five to all, the others to one.
// What is late is made up for.
func (c *class) teach() {
	next := time.Now()
	for !c.stopped(time.Until(next)) {
		next = next.Add(time.Second / time.Duration(c.rate))
		target := toAll
		if c.draw(5) == 0 {
			target = c.draw(len(c.members))
		}
		n := c.down.add(target)
		payload := lectern.Text(fmt.Sprint("g ", n))
		as := c.insist("master", func(ctx context.Context) error {
			var err error
			if target == toAll {
				_, err = c.master.Broadcast(ctx, payload)
			} else {
				_, err = c.master.Send(ctx, c.members[target].name, payload)
			}
			return err
		})
		c.down.ends(n, as)
		if c.master.Err() != nil {
			return
		}
	}
}

// say sends a slave's messages, about one a second.
func (c *class) say(m *member) {
	for !c.stopped(time.Duration(500+c.draw(1000)) * time.Millisecond) {
		n := m.up.add(toAll)
		as := c.insist(m.name, func(ctx context.Context) error {
			_, err := m.slave.Send(ctx, lectern.Text(fmt.Sprint("g ", n)))
			return err
		})
		m.up.ends(n, as)
		if m.slave.Err() != nil {
			return
		}
	}
}

// request asks until the question was accepted, and notes what is not answered by the answer
// to it.
func (c *class) request(who, question string, ask func(context.Context, lectern.Payload, ...lectern.SendOption) (lectern.Message, error)) {
	var answer lectern.Message
	as := c.insist(who+" asks", func(ctx context.Context) error {
		var err error
		answer, err = ask(ctx, lectern.Text(question))
		if err != nil && !errors.Is(err, lectern.ErrShuttingDown) && !errors.Is(err, lectern.ErrBusy) {
			c.counts.add(unanswered, fmt.Errorf("%s: %w", who, err))
		}
		return err
	})
	if as == accepted && answer.Text() != answerTo(question) {
		c.counts.add(unanswered, fmt.Errorf("%s asks %q and is answered %q", who, question, answer.Text()))
	}
}

func answerTo(question string) string { return "answer to " + question }

// ask has a slave ask its master, about every two seconds.
func (c *class) ask(m *member) {
	for !c.stopped(time.Duration(1000+c.draw(2000)) * time.Millisecond) {
		c.request(m.name, fmt.Sprint("q ", c.name(), " ", m.name), m.slave.Request)
		if m.slave.Err() != nil {
			return
		}
	}
}

// askSlaves has the master ask one slave after the other, twenty a second: several are open at
// any time, since answers take theirs.
func (c *class) askSlaves() {
	for !c.stopped(50 * time.Millisecond) {
		m := c.members[c.draw(len(c.members))]
		c.senders.Go(func() {
			c.request("master", fmt.Sprint("q ", c.name(), " master"), func(ctx context.Context, p lectern.Payload, _ ...lectern.SendOption) (lectern.Message, error) {
				return c.master.Request(ctx, m.name, p)
			})
		})
		if c.master.Err() != nil {
			return
		}
	}
}

// gather has the master ask everybody, without end.
func (c *class) gather() {
	for !c.stopped(100*time.Millisecond) && c.master.Err() == nil {
		question := fmt.Sprint("q ", c.name(), " all")
		c.insist("gather", func(ctx context.Context) error {
			answered := make(map[string]bool)
			for answer := range c.master.Gather(ctx, lectern.Text(question)) {
				switch {
				case answer.From == "" && answer.Err != nil:
					return answer.Err
				case answer.Err != nil:
					c.counts.add(unanswered, fmt.Errorf("gather: %s: %w", answer.From, answer.Err))
				case answered[answer.From]:
					c.counts.add(askedTwice, fmt.Errorf("gather: two answers of %s", answer.From))
				case answer.Message.Text() != answerTo(question):
					c.counts.add(unanswered, fmt.Errorf("gather: %s answers %q", answer.From, answer.Message.Text()))
				}
				answered[answer.From] = true
			}
			if len(answered) != len(c.members) {
				c.counts.add(unanswered, fmt.Errorf("gather: %d parts, and there are %d slaves", len(answered), len(c.members)))
			}
			return nil
		})
	}
}

// answer replies after a while, so that requests are under way at any time.
func (c *class) answer(who string, message lectern.Message, reply func(context.Context, lectern.Message, lectern.Payload, ...lectern.SendOption) (lectern.Receipt, error)) {
	c.readers.Go(func() {
		time.Sleep(time.Duration(c.draw(300)) * time.Millisecond)
		c.insist(who+" answers", func(ctx context.Context) error {
			_, err := reply(ctx, message, lectern.Text(answerTo(message.Text())))
			if errors.Is(err, lectern.ErrNoSuchRequest) {
				c.counts.add(askedTwice, fmt.Errorf("%s: the answer to %q: %w", who, message.Text(), err))
			}
			return err
		})
	})
}

// read takes what a slave gets, until it is over.
func (c *class) read(m *member) {
	for event, err := range m.slave.Events(c.reading) {
		now := time.Now()
		switch event := event.(type) {
		case lectern.Message:
			c.taken(m, event.Text(), now)
			if event.RequestID != 0 {
				c.answer(m.name, event, m.slave.Reply)
			}
		case lectern.Gap:
			c.counts.add(gaps, fmt.Errorf("%s: %d messages", m.name, event.Missed))
		}
		if err != nil && c.reading.Err() == nil {
			c.over(m, err.Error(), now)
		}
	}
}

// taken notes a message that a slave got.
func (c *class) taken(m *member, text string, now time.Time) {
	if n, ok := number(text); ok {
		m.inbox.take(n, now)
		return
	}
	m.inbox.arrives(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.questions[text] {
		c.counts.add(askedTwice, fmt.Errorf("%s is asked %q again", m.name, text))
	}
	m.questions[text] = true
}

// over notes the end of a membership.
func (c *class) over(m *member, why string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ending {
		c.endings = append(c.endings, ending{m.name, now, why})
		c.counts.add(letGo, fmt.Errorf("%s: %s", m.name, why))
	}
}

// number is that of a message "g 7".
func number(text string) (n uint32, ok bool) {
	if !strings.HasPrefix(text, "g ") {
		return 0, false
	}
	_, err := fmt.Sscan(text[2:], &n)
	return n, err == nil
}

// readMaster takes what the master gets.
func (c *class) readMaster() {
	byName := make(map[string]*member)
	for _, m := range c.members {
		byName[m.name] = m
	}
	asked := make(map[string]bool)
	for event, err := range c.master.Events(c.reading) {
		now := time.Now()
		switch event := event.(type) {
		case lectern.Message:
			if n, ok := number(event.Text()); ok {
				byName[event.From].upIn.take(n, now)
				continue
			}
			if asked[event.Text()] {
				c.counts.add(askedTwice, fmt.Errorf("the master is asked %q again", event.Text()))
			}
			asked[event.Text()] = true
			c.answer("master", event, c.master.Reply)
		case lectern.Gap:
			c.counts.add(gaps, fmt.Errorf("master: %d messages", event.Missed))
		case lectern.Presence:
			if event.State == lectern.StateGone {
				c.counts.add(letGo, fmt.Errorf("the master is told that %s is gone: %s", event.Username, event.Reason))
			}
		}
		if err != nil && c.reading.Err() == nil {
			c.over(&member{name: "master"}, err.Error(), now)
		}
	}
}

// missing is how much of what was accepted has not arrived yet.
func (c *class) missing() (all judgement) {
	for _, m := range c.members {
		all.add(m.inbox.judge(&c.down, m.index))
		all.add(m.upIn.judge(&m.up, toAll))
	}
	if c.listener != nil {
		all.add(c.listener.inbox.judge(&c.scripted, toAll))
	}
	return all
}

// settle waits until everything has arrived, or for the patience.
func (c *class) settle() judgement {
	until := time.Now().Add(patience / 2)
	for {
		v := c.missing()
		if v.lost == 0 || time.Now().After(until) {
			return v
		}
		time.Sleep(100 * time.Millisecond)
	}
}
