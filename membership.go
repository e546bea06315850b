package lectern

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// membership is the client's side of a member, and what Master and Slave have in
// common. Its fields are under the client's lock, but for those that do not
// change.
type membership struct {
	client   *Client
	channel  string
	username string
	role     wire.Role
	secret   string
	// timeout is X of rule 3.
	timeout time.Duration
	// owned: the client was made for this membership alone and ends with it.
	owned bool

	inbox *inbox
	// done is closed at the end; err is set before.
	done chan struct{}
	err  *Error
	// window bounds the requests that wait for their answers: as many as the
	// hub remembers the answers of.
	window chan struct{}

	// attached: the present connection holds the membership. Requests are
	// written then, and wait otherwise.
	attached bool
	// resuming is the ref of the resume that is under way, or zero.
	resuming uint64
	// pending are the requests without an answer, in the order of their refs.
	pending []*request
	// last is the number of the newest message that has arrived.
	last uint64
	// inquiries are the requests that await answers, by their numbers. early are
	// answers that have come before their request's number (inquiry.go).
	inquiries map[uint64]*inquiry
	early     []Message

	// lostAt is when the connection was lost, while it is.
	lostAt time.Time
	// lifeline ends the membership when the hub could not be reached for X.
	lifeline *time.Timer

	// master is what a slave knows of its master.
	master Presence
	// slaves is what a master knows of its slaves.
	slaves map[string]Presence
	// departed are slaves that have left while the master was away, to be told
	// behind the messages up to number replayEnd.
	departed  []Presence
	replayEnd uint64
}

// request is an operation of a member that awaits the hub's answer. It survives
// the connection: after a resume it is sent again, under the same ref.
type request struct {
	frame   wire.Frame
	written bool
	// repeated: it has been written on more than one connection.
	repeated bool
	// abandoned: nobody waits any more. It keeps its place in the window until
	// it is answered or the connection is lost.
	abandoned bool
	// outside: it has no place in the window, since the hub remembers no answer
	// of it. Withdrawals are; there are no more of them than open inquiries.
	outside bool
	// enters is the membership that a switch leads to.
	enters *membership
	// asks is the inquiry that a message opens.
	asks     *inquiry
	answered chan wire.Frame
}

func newMembership(client *Client, role wire.Role, channel string) *membership {
	m := &membership{client: client, role: role, channel: channel, done: make(chan struct{})}
	m.inbox = newInbox(client.options.Inbox, m.done)
	answers := slaveAnswers
	if role == wire.Master {
		answers = masterAnswers
		m.slaves = make(map[string]Presence)
	}
	m.window = make(chan struct{}, answers)
	return m
}

// do sends a request and waits for its answer, over as many connections as it
// takes.
func (m *membership) do(ctx context.Context, r *request) (wire.Frame, error) {
	select {
	case m.window <- struct{}{}:
	case <-ctx.Done():
		return wire.Frame{}, ctx.Err()
	case <-m.done:
		return wire.Frame{}, m.err
	}
	c := m.client
	r.answered = make(chan wire.Frame, 1)
	c.mu.Lock()
	if m.err != nil {
		c.mu.Unlock()
		<-m.window
		return wire.Frame{}, m.err
	}
	if r.enters == nil {
		r.frame.Channel = m.channel
	}
	m.enqueue(r)
	c.mu.Unlock()

	var cause error
	select {
	case answer := <-r.answered:
		return answer, r.refusal(&answer)
	case <-ctx.Done():
		cause = ctx.Err()
	case <-m.done:
		cause = m.err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case answer := <-r.answered:
		return answer, r.refusal(&answer)
	default:
	}
	r.abandoned = true
	if !r.written {
		m.remove(r)
		return wire.Frame{}, cause
	}
	return wire.Frame{}, fmt.Errorf("%w: %w", ErrSendUnknown, cause)
}

// refusal is the error that the request's answer carries, if it is one.
func (r *request) refusal(answer *wire.Frame) error {
	err := refusalIn(answer)
	if r.repeated && errors.Is(err, ErrNotAMember) {
		// A switch was sent again before it, and has worked only then. The first
		// time the request may have been carried out.
		return fmt.Errorf("%w: %w", ErrSendUnknown, err)
	}
	return err
}

// enqueue makes the request the next one that is sent. It has a place in the
// window, or is outside of it.
func (m *membership) enqueue(r *request) {
	m.client.lastRef++
	r.frame.Ref = m.client.lastRef
	m.pending = append(m.pending, r)
	if m.attached {
		m.write(r)
	}
}

func (m *membership) write(r *request) {
	r.repeated = r.repeated || r.written
	r.written = true
	m.client.push(&r.frame)
}

func (m *membership) remove(r *request) {
	if i := slices.Index(m.pending, r); i >= 0 {
		m.pending = slices.Delete(m.pending, i, i+1)
		if !r.outside {
			<-m.window
		}
	}
}

// answer gives a frame to the request that it answers, and reports whether
// there is one.
func (m *membership) answer(frame *wire.Frame) bool {
	if m.verified(frame) {
		return true
	}
	for _, r := range m.pending {
		if r.frame.Ref != frame.Ref {
			continue
		}
		m.remove(r)
		if r.repeated && r.frame.Type == wire.Kick && frame.Code == string(ErrNoSuchSlave.Code) {
			// The kick that was sent before the connection was lost has worked.
			*frame = wire.Frame{Type: wire.Ack, Ref: frame.Ref, Channel: m.channel}
		}
		if r.enters != nil && frame.Type == wire.Joined {
			m.client.enter(r.enters, frame)
			r.enters.owned, m.owned = m.owned, false // the client is the next one's now
			m.end(ErrLeft.with("switched to another channel"))
			if r.abandoned {
				m.client.push(&wire.Frame{Type: wire.Leave, Channel: r.enters.channel})
				r.enters.end(ErrLeft)
			}
		}
		if r.asks != nil && frame.Type == wire.Ack {
			m.accepted(r.asks, frame.Seq, r.repeated)
			if r.abandoned {
				delete(m.inquiries, frame.Seq)
				m.withdraw(frame.Seq)
			}
		}
		if r.asks != nil && !m.asksAgain() {
			m.early = nil
		}
		r.answered <- *frame
		return true
	}
	return false
}

// attach is told that the present connection holds the membership: what waited
// is sent, and what was not answered is sent again.
func (m *membership) attach() {
	m.attached = true
	m.resuming = 0
	m.lostAt = time.Time{}
	m.stopLifeline()
	for _, r := range m.pending {
		m.write(r)
	}
	m.verifyAll()
}

// lose is told that the connection is gone. From now on nothing is known of the
// other side, for at most X (rule 3).
func (m *membership) lose(now time.Time) {
	m.attached, m.resuming = false, 0
	for _, r := range slices.Clone(m.pending) {
		// An abandoned request for answers is asked once more, so that its
		// number is learned and it can be withdrawn.
		if r.abandoned && r.asks == nil {
			m.remove(r)
		}
	}
	if !m.lostAt.IsZero() {
		return
	}
	m.lostAt = now
	deadline := now.Add(m.timeout)
	unknown := Presence{State: Unknown, Since: now, Deadline: deadline}
	if m.role == wire.Slave {
		unknown.Username = m.master.Username
		m.master = unknown
	} else {
		unknown.Username = m.username
	}
	m.inbox.add(unknown)
	m.client.goroutines.Add(1)
	m.lifeline = time.AfterFunc(m.timeout, func() {
		defer m.client.goroutines.Done()
		m.client.mu.Lock()
		defer m.client.mu.Unlock()
		if m.lostAt.Equal(now) {
			m.end(ErrMasterDown.with(fmt.Sprintf("the hub could not be reached for %v", m.timeout)))
		}
	})
}

func (m *membership) stopLifeline() {
	if m.lifeline != nil && m.lifeline.Stop() {
		m.client.goroutines.Done()
	}
	m.lifeline = nil
}

// end is the end of the membership.
func (m *membership) end(why *Error) {
	if m.err != nil {
		return
	}
	m.err = why
	m.attached, m.lostAt = false, time.Time{}
	m.stopLifeline()
	if m.client.memberships[m.channel] == m {
		delete(m.client.memberships, m.channel)
	}
	m.tellDeparted()
	if m.role == wire.Slave {
		m.master.State, m.master.Since, m.master.Deadline = Gone, time.Now(), time.Time{}
	}
	close(m.done)
}

// entered takes over what created or joined tells, the first time or after a
// resume.
func (m *membership) entered(frame *wire.Frame, now time.Time) {
	back := !m.lostAt.IsZero()
	if !back {
		m.username, m.secret = frame.Username, frame.Secret
		m.timeout = fromMilliseconds(frame.MasterTimeout)
	}
	if m.role == wire.Slave {
		m.master = Presence{Username: frame.Master.Username, State: stateFromWire(frame.Master.State), Since: now}
		if back && m.master.State == Online {
			m.inbox.add(m.master)
		}
		return
	}
	if back {
		m.inbox.add(Presence{Username: m.username, State: Online, Since: now})
	}
	if frame.Gap {
		m.gap(Gap{})
	}
	if frame.HasMembers {
		m.compareRoster(frame, now)
	}
}

// compareRoster brings a master's roster to what the hub tells after a resume.
// Those who came are told at once; those who went are told behind the messages
// that are still to come from them.
func (m *membership) compareRoster(frame *wire.Frame, now time.Time) {
	missing := maps.Clone(m.slaves)
	for _, slave := range frame.Members {
		delete(missing, slave.Username)
		if m.slaves[slave.Username].State != stateFromWire(slave.State) {
			m.slaveChanged(Presence{Username: slave.Username, State: stateFromWire(slave.State), Since: now})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		m.departed = append(m.departed, Presence{Username: name, State: Gone, Since: now, Reason: "left while the master was away"})
	}
	m.replayEnd = frame.Seq
	if m.last >= m.replayEnd {
		m.tellDeparted()
	}
}

func (m *membership) tellDeparted() {
	for _, slave := range m.departed {
		m.slaveChanged(slave)
	}
	m.departed = nil
}

func (m *membership) slaveChanged(slave Presence) {
	if slave.State == Gone {
		delete(m.slaves, slave.Username)
		m.departs(slave)
	} else {
		m.slaves[slave.Username] = slave
	}
	m.inbox.add(slave)
}

// message takes in a message. What a replay brings a second time is dropped.
func (m *membership) message(frame *wire.Frame) {
	if frame.Seq <= m.last {
		return
	}
	m.last = frame.Seq
	message := Message{
		Payload: payloadFromWire(frame.Payload), From: frame.From, Seq: frame.Seq, Private: frame.Private,
		Request: frame.Request, Reply: frame.Reply,
	}
	if !m.reply(message) {
		m.inbox.add(message)
	}
	if m.departed != nil && m.last >= m.replayEnd {
		m.tellDeparted()
	}
}

// presence takes in a change of the master, on a slave's side, or of a slave.
func (m *membership) presence(frame *wire.Frame, now time.Time) {
	p := Presence{Username: frame.Username, State: stateFromWire(frame.State), Since: now, Reason: frame.Reason}
	if m.role == wire.Master {
		// One of that name who is back has another life than the one departed.
		m.departed = slices.DeleteFunc(m.departed, func(d Presence) bool { return d.Username == p.Username })
		m.slaveChanged(p)
		return
	}
	if p.State == Away {
		p.Deadline = now.Add(fromMilliseconds(frame.Timeout))
	}
	m.master = p
	m.inbox.add(p)
}

// gap takes in that messages were lost in this place.
func (m *membership) gap(gap Gap) {
	m.inbox.add(gap)
	m.lost()
}

// send is Send, Broadcast and Reply.
func (m *membership) send(ctx context.Context, frame wire.Frame, payload Payload) (uint64, error) {
	return m.sendAs(ctx, &request{frame: frame}, payload)
}

// sendAs sends the payload by a request that has been prepared.
func (m *membership) sendAs(ctx context.Context, r *request, payload Payload) (uint64, error) {
	if err := payload.check(m.client.options.MaxMessage); err != nil {
		return 0, err
	}
	r.frame.Type, r.frame.Payload = wire.Send, payload.onWire()
	answer, err := m.do(ctx, r)
	return answer.Seq, err
}

// operate is an operation that is answered by a mere acknowledgement.
func (m *membership) operate(ctx context.Context, frame wire.Frame) error {
	_, err := m.do(ctx, &request{frame: frame})
	return err
}

// events yields what arrives until the membership is over.
func (m *membership) events(ctx context.Context) func(yield func(Event, error) bool) {
	return func(yield func(Event, error) bool) {
		for {
			event, ok, err := m.inbox.take(ctx)
			if err == nil && !ok {
				err = m.err
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(event, nil) {
				return
			}
		}
	}
}

// close leaves on purpose: it tells the hub, in so far as the hub can be reached
// within the client's CloseTimeout, and ends the membership in any case.
func (m *membership) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), m.client.options.CloseTimeout)
	defer cancel()
	_, err := m.do(ctx, &request{frame: wire.Frame{Type: wire.Leave}})
	m.client.mu.Lock()
	m.end(ErrLeft)
	owned := m.owned
	m.client.mu.Unlock()
	if owned {
		_ = m.client.Close()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("lectern: the hub could not be told: %w", err)
	}
	return nil
}

func (m *membership) failure() error {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.err == nil {
		return nil
	}
	return m.err
}

// Ticket is what it takes to come back to a membership from another client, for
// instance after the program has been started again. Whoever has it can take the
// membership over, so keep it as you would a password. It hides its secret from
// everything that formats values for people; as JSON it is whole, to be kept.
type Ticket struct {
	Channel  string
	Username string
	Secret   string
	// Master tells that the ticket is a master's.
	Master bool
	// Last is the number of the last message that was taken from the handle.
	Last uint64
}

func (t Ticket) String() string {
	return strings.Join([]string{"ticket for", t.Username, "in", t.Channel}, " ")
}

// GoString keeps the secret out of %#v as well.
func (t Ticket) GoString() string { return t.String() }

// LogValue keeps the secret out of structured logs.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.String()) }

func (m *membership) ticket() Ticket {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return Ticket{Channel: m.channel, Username: m.username, Secret: m.secret, Master: m.role == wire.Master, Last: m.inbox.seen()}
}
