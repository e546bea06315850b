package hub

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what a hub asks of the owner of a channel for those who are no members of it: whether it is
// there, for anybody, and what the service says, which may be in the process of any hub.

// kindInquiry is the kind of these requests between hubs.
const kindInquiry = inner.KindCalls + 1

// What is asked for.
const (
	inquiryStatus = "status"
	inquiryReport = "report"
	inquiryKick   = "kick"
	inquiryClose  = "close"
	inquirySpeak  = "speak"
	// inquiryChannels is for the names of the next channels behind the one that is named.
	inquiryChannels = "channels"
	// inquiryNumbers is for the newest numbers that messages have had in the channel of the incarnation, of who has owned it.
	inquiryNumbers = "numbers"
)

// inquiry is a request, and outcome the reply. Both are JSON: they are few, and each release may add to them.
type inquiry struct {
	What     string
	Channel  string
	Username string `json:",omitempty"`
	Reason   string `json:",omitempty"`
	Ban      bool   `json:",omitempty"`
	// Frame is a send.
	Frame []byte `json:",omitempty"`
	// Succeeding is for a hand-over.
	Succeeding *succeeding `json:",omitempty"`
	// Incarnation is for numbers.
	Incarnation cluster.Nonce `json:",omitzero"`
}

type outcome struct {
	// Elsewhere: the hub does not own the channel.
	Elsewhere bool         `json:",omitempty"`
	Exists    bool         `json:",omitempty"`
	Report    *star.Report `json:",omitempty"`
	Code      wire.Code    `json:",omitempty"`
	Text      string       `json:",omitempty"`
	Seq       uint64       `json:",omitempty"`
	Slaves    int          `json:",omitempty"`
	Channels  []string     `json:",omitempty"`
	// Frame is the answer to a status.
	Frame []byte `json:",omitempty"`
	// Grant is what the service grants a successor, and Position the shared group by which it was made the master.
	Grant    []byte           `json:",omitempty"`
	Position cluster.Position `json:",omitempty"`
	// Down and Up are numbers.
	Down uint64 `json:",omitempty"`
	Up   uint64 `json:",omitempty"`
}

// pack is the request of the inquiry.
func (q *inquiry) pack() []byte {
	b, _ := json.Marshal(q) // it has nothing that cannot be written
	return append([]byte{kindInquiry}, b...)
}

// inquiryTimeout is how long an owner is asked, and inquiryAgain the pause until it is asked again.
const (
	inquiryTimeout = 5 * time.Second
	inquiryAgain   = 300 * time.Millisecond
)

// inquire asks the owner of the channel, which another hub decides. Where this hub does by now, it returns the channel
// as it has it. Where the channel is over, the error is wire.ErrNoSuchChannel.
func (cl *clustered) inquire(ctx context.Context, c *delivery.Channel, q inquiry) (o outcome, here *delivery.Channel, err error) {
	ctx, cancel := context.WithTimeout(ctx, inquiryTimeout)
	defer cancel()
	q.Channel = c.Name()
	request := q.pack()
	for ctx.Err() == nil {
		e := cl.edgeOf(ctx, c)
		if e == nil && !c.Elsewhere() {
			return o, c, nil
		}
		if e == nil {
			switch c, err = cl.again(ctx, c); {
			case err != nil:
				return o, nil, err
			case c == nil:
				return o, nil, wire.ErrNoSuchChannel
			}
			continue
		}
		o, err := cl.askOnce(ctx, e.known().Hub, request)
		switch {
		case err == nil && !o.Elsewhere:
			o.localize()
			return o, nil, nil
		case q.What == inquirySpeak && err != nil && !errors.Is(err, cluster.ErrNobody):
			return o, nil, wire.ErrBusy.With("the hub that has the channel has not answered: the message may have been sent")
		}
		cl.look(e)
		select {
		case <-time.After(inquiryAgain):
		case <-ctx.Done():
		}
	}
	return o, nil, errNotFound
}

// askOnce asks one hub.
func (cl *clustered) askOnce(ctx context.Context, hub cluster.HubID, request []byte) (o outcome, err error) {
	if (hub == cluster.HubID{}) {
		return o, cluster.ErrNobody
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for reply, err := range cl.engine.Ask(ctx, cl.id, hub, request) {
		if err == nil {
			err = json.Unmarshal(reply, &o)
		}
		return o, err
	}
	return o, ctx.Err()
}

// inquired answers another hub.
func (cl *clustered) inquired(_ cluster.HubID, request []byte, reply func([]byte) error) {
	var q inquiry
	if json.Unmarshal(request, &q) != nil || !cl.hub.acquire() {
		cl.serving.Drop()
		return
	}
	go func() {
		defer cl.hub.goroutines.Done()
		answer, err := json.Marshal(cl.carryOut(q))
		if err == nil {
			_ = reply(answer) // where it does not leave, it is asked again
		}
	}()
}

func (cl *clustered) carryOut(q inquiry) (o outcome) {
	if q.What == inquiryChannels {
		return outcome{Channels: cl.ownedAfter(q.Channel)}
	}
	switch q.What {
	case inquiryNumbers:
		n, known := cl.givenIn(cluster.KeyOf(q.Channel), q.Incarnation)
		return outcome{Elsewhere: !known, Down: n.down, Up: n.up}
	case inquirySuccessor:
		return cl.successor(q)
	case inquirySucceed:
		return cl.succeed(q)
	}
	c := cl.hub.findChannel(q.Channel)
	if c == nil || c.Elsewhere() {
		return outcome{Elsewhere: true}
	}
	channel := Channel{cl.hub, c}
	var err error
	switch q.What {
	case inquiryStatus:
		if !c.Decide(func(rules *star.Channel, now time.Time) {
			o.Frame = wire.Append(nil, wire.Binary, rules.Status(now, 0))
		}) {
			return outcome{Elsewhere: true}
		}
	case inquiryReport:
		report, exists := c.Report()
		report.Master.Line = nil
		for i := range report.Slaves {
			report.Slaves[i].Line = nil
		}
		o.Report, o.Exists = &report, exists
	case inquiryKick:
		err = channel.Kick(q.Username, q.Reason, q.Ban)
	case inquirySetMaster:
		err = channel.SetMaster(cl.writing, q.Username)
	case inquiryClose:
		err = channel.Close(q.Reason)
	case inquirySpeak:
		var f wire.Frame
		if err = wire.DecodeFromClient(&f, q.Frame); err == nil {
			o.Seq, o.Slaves, err = channel.Speak(cl.writing, &f)
		}
	}
	if err != nil {
		o.refuse(err)
	}
	return o
}

// localize has the instants of a report in the zone of this process, as its own are.
func (o *outcome) localize() {
	if o.Report == nil {
		return
	}
	members := []*star.MemberReport{&o.Report.Master}
	for i := range o.Report.Slaves {
		members = append(members, &o.Report.Slaves[i])
	}
	for _, m := range members {
		for _, at := range []*time.Time{&m.Deadline, &m.Expires} {
			if !at.IsZero() {
				*at = at.Local()
			}
		}
	}
}

func (o *outcome) refuse(err error) {
	why := asRefusal(err, wire.ErrBusy)
	o.Code, o.Text = why.Code, why.Text
}

// err is what the owner has refused, or nil.
func (o *outcome) err() error {
	if o.Code == "" {
		return nil
	}
	return &wire.Cause{Code: o.Code, Text: o.Text}
}

// statusElsewhere is the answer to a status of a channel that another hub decides.
func (s *session) statusElsewhere(c *delivery.Channel, f *wire.Frame) (*wire.Frame, error) {
	ctx, done := s.waitContext()
	defer done()
	answer := &wire.Frame{Type: wire.Status, Channel: f.Channel, HasExists: true}
	o, here, err := s.hub.clustered.inquire(ctx, c, inquiry{What: inquiryStatus})
	switch {
	case err == error(wire.ErrNoSuchChannel):
		// There may be another one of the name by now.
		if next, err := s.find(f.Channel); err != nil {
			return nil, err
		} else if next != nil && next != c {
			return s.statusElsewhere(next, f)
		}
	case err != nil:
		return nil, err
	case here != nil:
		if !here.Decide(func(rules *star.Channel, now time.Time) { answer = rules.Status(now, f.Ref) }) {
			return s.statusElsewhere(here, f)
		}
	case len(o.Frame) > 0:
		decoded, err := wire.Decode(o.Frame)
		if err != nil {
			return nil, errNotFound
		}
		answer = &decoded
	}
	answer.Ref = f.Ref
	return answer, nil
}
