package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lectern-go/lectern"
)

// asked is a question, and what became of it.
type asked struct {
	question string
	// to is who was asked; all were if it is toEverybody and a master asks.
	to                    string
	began, deadline, done time.Time
	// lasts is for how long it is worth something from began on. Zero: it does not expire.
	lasts   time.Duration
	answers []lectern.Answer
	// asked are those whom a Gather has told that it asks, if it has named any; unasked is one of whom it had
	// a part before. newcomers: it has asked those too who joined meanwhile.
	asked            []string
	named, newcomers bool
	unasked          string
}

// askAround asks one question after the other.
func (r *faultRound) askAround(s *faultSeat, random *rand.Rand) {
	for i := 0; r.acting.Err() == nil; i++ {
		pause(random, 600*time.Millisecond)
		h := s.present()
		if h == nil {
			return
		}
		patience := 1 + time.Duration(random.Int64N(int64([]time.Duration{50 * time.Millisecond, 3 * time.Second}[random.IntN(2)])))
		to := toEverybody
		if s.isMaster() && random.IntN(2) == 0 {
			to = r.somebody(random)
		}
		q := &asked{question: s.text("question", i), to: to}
		if r.expires && random.IntN(2) == 0 {
			q.lasts = max(patience/2, time.Millisecond)
		}
		s.ask(h, q, patience)
	}
}

func (s *faultSeat) ask(h membershipHandle, q *asked, patience time.Duration) {
	to, question := q.to, q.question
	q.began, q.deadline = time.Now(), time.Now().Add(patience)
	// The question was accepted if it was answered, else nobody here knows.
	one := &sent{text: question, to: to, began: q.began, lasts: q.lasts, err: lectern.ErrSendUnknown}
	ctx, cancel := context.WithDeadline(context.Background(), q.deadline)
	defer cancel()
	single := func(m lectern.Message, err error) { q.answers = []lectern.Answer{{From: m.From, Message: m, Err: err}} }
	switch h := h.(type) {
	case *lectern.Slave:
		single(h.Request(ctx, s.payload(question), one.options()...))
	case *lectern.Master:
		if to == toEverybody {
			options := []lectern.GatherOption{lectern.WithAsked(func(names []string) {
				q.named = true
				q.asked = append(q.asked, names...)
			})}
			if q.newcomers = len(question)%3 == 0; q.newcomers {
				options = append(options, lectern.WithNewcomers())
			}
			for _, option := range one.options() {
				options = append(options, option)
			}
			for a := range h.Gather(ctx, s.payload(question), options...) {
				q.answers = append(q.answers, a)
				if a.From != "" && !slices.Contains(q.asked, a.From) {
					q.unasked = a.From
				}
			}
		} else {
			single(h.Request(ctx, to, s.payload(question), one.options()...))
		}
	}
	q.done = time.Now()
	one.done = q.done
	for _, a := range q.answers {
		if a.Err == nil && !q.newcomers { // of what newcomers were asked, the number is another one
			one.Seq, one.err = a.Message.ReplyTo, nil
		}
	}
	one.newcomers = q.newcomers
	s.notes(one)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks = append(s.asks, q)
}

// answer answers a question at once, later, not at all, or twice.
func (s *faultSeat) answer(ctx context.Context, h membershipHandle, m lectern.Message) {
	random := s.life.round.random(1<<40 + m.Seq)
	later := time.NewTimer(0)
	defer later.Stop()
	switch random.IntN(6) {
	case 0:
		return
	case 1:
		later.Reset(time.Duration(random.Int64N(int64(time.Second))))
	}
	select {
	case <-later.C:
	case <-h.Done():
	case <-ctx.Done():
	}
	times := 1 + random.IntN(5)/4
	for k := range times {
		one := &sent{text: s.text("answer to "+textOf(m), k), to: toEverybody, began: time.Now(), question: textOf(m), no: random.IntN(4) == 0}
		switch h := h.(type) {
		case *lectern.Slave:
			if one.no {
				one.Receipt, one.err = h.Decline(ctx, m, "no", one.text)
			} else {
				one.Receipt, one.err = h.Reply(ctx, m, s.payload(one.text))
			}
		case *lectern.Master:
			one.to = m.From
			if one.no {
				one.Receipt, one.err = h.Decline(ctx, m, "no", one.text)
			} else {
				one.Receipt, one.err = h.Reply(ctx, m, s.payload(one.text))
			}
		}
		one.done = time.Now()
		s.notes(one)
	}
}

// answerOpen answers, a while after the seat has got this holder, what was asked of the one before,
// which has not answered it: the seat's own events do not tell of it again. What is open was not
// answered before.
func (s *faultSeat) answerOpen(ctx context.Context, h membershipHandle) {
	if s.name == witnessName {
		return
	}
	pause := time.NewTimer(500 * time.Millisecond)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-h.Done():
	case <-ctx.Done():
	}
	s.mu.Lock()
	asked, answered := map[string]bool{}, map[string]bool{}
	since := len(s.events)
	for since > 0 && s.events[since-1].event != nil {
		since--
	}
	for _, e := range s.events[since:] {
		if m, ok := e.event.(lectern.Message); ok {
			asked[textOf(m)] = true
		}
	}
	for _, one := range s.sends {
		answered[one.question] = answered[one.question] || one.err == nil
	}
	s.mu.Unlock()
	for _, m := range h.OpenRequests() {
		if answered[textOf(m)] {
			s.life.round.fail("%s: %q is open and was answered", s.name, textOf(m))
		}
		if !asked[textOf(m)] {
			s.life.round.reopened.Add(1)
			s.answer(ctx, h, m)
		}
	}
}

// verifyAsks: a question ends in time, with one answer of each who was asked, or
// an error; the answer is one that was given to it, and only one was accepted of
// each.
func (l *life) verifyAsks() error {
	given := map[string][]*sent{}
	by := map[*sent]*faultSeat{}
	ofSlaves := map[string]bool{} // by whichever master, there is one answer
	for _, s := range l.seats {
		accepted := map[string]bool{}
		if s.isMaster() {
			accepted = ofSlaves
		}
		for _, one := range s.sends {
			if one.question == "" {
				continue
			}
			given[one.question] = append(given[one.question], one)
			by[one] = s
			if one.err == nil && accepted[one.question] {
				return fmt.Errorf("%s: two answers to %q were accepted", s.name, one.question)
			}
			accepted[one.question] = accepted[one.question] || one.err == nil
		}
	}
	for _, s := range l.seats {
		for _, q := range s.asks {
			if err := s.verifyAsk(q, given[q.question], by); err != nil {
				return fmt.Errorf("%s asked %q: %w", s.name, q.question, err)
			}
		}
	}
	return nil
}

// verifyAsked: nobody has a part who was not named before, and each who was named has one for
// each time.
func (q *asked) verifyAsked() error {
	if q.unasked != "" && q.named {
		return fmt.Errorf("%q has a part and was not named", q.unasked)
	}
	left := map[string]int{}
	for _, name := range q.asked {
		left[name]++
	}
	for _, a := range q.answers {
		left[a.From]--
	}
	for name, n := range left {
		if q.named && n != 0 && name != "" {
			return fmt.Errorf("%q was named %d times more often than it has parts, of %v", name, n, q.asked)
		}
	}
	return nil
}

func (s *faultSeat) verifyAsk(q *asked, given []*sent, by map[*sent]*faultSeat) error {
	if q.done.After(q.deadline) {
		return fmt.Errorf("it ended at %v, its time at %v", q.done, q.deadline)
	}
	if err := errors.Join(q.verifyTime(given), q.verifyAsked(), s.verifyHandedOver(q, given)); err != nil {
		return err
	}
	parts := map[string]bool{}
	for _, a := range q.answers {
		if parts[a.From] && !q.newcomers {
			return fmt.Errorf("two parts of %q", a.From)
		}
		parts[a.From] = true
		var no *lectern.DeclinedError
		if errors.As(a.Err, &no) && !s.isGiven(a, no.Message, given, by) {
			return fmt.Errorf("%q has said no: %q", a.From, no.Message)
		}
		if a.Err == nil {
			if !s.isGiven(a, textOf(a.Message), given, by) {
				return fmt.Errorf("the answer of %q is %q", a.From, textOf(a.Message))
			}
			if q.to != toEverybody && a.From != q.to {
				return fmt.Errorf("%q has answered", a.From)
			}
			continue
		}
		// What a steady master was answered in time, it was told.
		if s.isMaster() && s.life.round.steady && errors.Is(a.Err, context.DeadlineExceeded) {
			for _, one := range given {
				asked := a.From == by[one].name || q.to == by[one].name
				if asked && !q.has(one) && one.err == nil && one.done.Before(q.deadline) && !s.life.round.overlaps(one.began, q.deadline) {
					return fmt.Errorf("%q was accepted at %v, and %q ended with %w", one.text, one.done, a.From, a.Err)
				}
			}
		}
	}
	// The witness is there from the beginning and never answers.
	gathers := s.isMaster() && q.to == toEverybody
	if gathers && !parts[witnessName] && !parts[""] && !s.entered.Equal(q.began) {
		return fmt.Errorf("the witness has no part: asked at %v, over at %v, parts %v, reconnected %v", q.began, q.done, parts, s.reconnects())
	}
	if !gathers && len(q.answers) != 1 {
		return fmt.Errorf("%d answers", len(q.answers))
	}
	return nil
}

// has reports whether the answer is one of the parts. Under newcomers who has left and come back has another
// one for each time.
func (q *asked) has(one *sent) bool {
	return slices.ContainsFunc(q.answers, func(a lectern.Answer) bool {
		var no *lectern.DeclinedError
		return a.Err == nil && textOf(a.Message) == one.text || errors.As(a.Err, &no) && no.Message == one.text
	})
}

// reconnects is when the seat's connection was lost or its holder changed.
func (s *faultSeat) reconnects() (at []time.Time) {
	for _, e := range s.events {
		if e.reconnects() {
			at = append(at, e.at)
		}
	}
	return at
}

// isGiven reports whether the one who is said to have answered so to the seat's question, or to have
// said no so, has done so, and was not told otherwise. Who says no to a single request is not named.
func (s *faultSeat) isGiven(a lectern.Answer, text string, given []*sent, by map[*sent]*faultSeat) bool {
	for _, one := range given {
		if one.text != text || one.no != (a.Err != nil) || a.From != "" && by[one].name != a.From || by[one].master == s.master {
			continue
		}
		if one.unknown() || one.err == nil && (one.no || one.Seq == a.Message.Seq) {
			return true
		}
	}
	return false
}
