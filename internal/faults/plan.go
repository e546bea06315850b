// Package faults is a faulty network in memory, for tests. It stands between
// those who dial and those who serve, and does to each connection what a plan
// says: at the level of bytes beneath netconn and websocket, at the level of
// messages for any other transport.Conn.
//
// The ends of a connection are real ones (memnet, memory), so they keep their
// contracts by themselves; what lies between them loses, holds up and breaks.
// It never reorders or repeats, because no transport does. All time is taken
// from package time, so everything works in a testing/synctest bubble.
package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Direction is a way through a connection.
type Direction uint8

const (
	// Up is from the side that has dialled.
	Up Direction = iota
	// Down is to the side that has dialled.
	Down
)

func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// Kind is what a fault does.
type Kind uint8

const (
	// Cut breaks the connection as a reset does: both ends lose what they have
	// not read yet.
	Cut Kind = iota
	// End ends the connection without a reset and without a reason: both ends
	// read what is on its way, and then a mere end, perhaps within a message. At
	// the level of messages it is a Cut.
	End
	// Stall lets nothing through in its direction for the time For. Then what
	// has waited goes on.
	Stall
	// Delay holds every piece up by the time For, from then on. What follows
	// waits behind it.
	Delay
	// Silence loses everything in its direction from then on, the end included.
	// The sender is not told.
	Silence
	// FailWrite lets every Write of the side that has dialled fail from then on,
	// after the bytes up to there. Reading goes on, and the other side notices
	// nothing.
	FailWrite
	// Refuse lets the dialling fail.
	Refuse

	kinds
)

var kindNames = [kinds]string{"cut", "end", "stall", "delay", "silence", "fail write", "refuse"}

func (k Kind) String() string { return kindNames[k] }

// Fault is one thing that happens to a connection, once.
type Fault struct {
	Kind      Kind
	Direction Direction
	// After is how many bytes pass in the direction before. At the level of
	// messages a Cut, End or Silence within one comes before the whole of it.
	After int
	// At is how long after the dialling it happens at the earliest. A Cut, End
	// or Silence with no After happens then, and others with the next bytes.
	At time.Duration
	// For is how long a Stall or Delay holds up.
	For time.Duration
}

func (f Fault) String() string {
	text := fmt.Sprintf("%v %v", f.Kind, f.Direction)
	if f.After > 0 {
		text += fmt.Sprintf(" after %d bytes", f.After)
	}
	if f.At > 0 {
		text += fmt.Sprintf(" at %v", f.At)
	}
	if f.For > 0 {
		text += fmt.Sprintf(" for %v", f.For)
	}
	return text
}

// Plan is what happens to one connection.
type Plan []Fault

func (p Plan) String() string {
	if len(p) == 0 {
		return "nothing"
	}
	texts := make([]string, len(p))
	for i, f := range p {
		texts[i] = f.String()
	}
	return strings.Join(texts, ", ")
}

// Random is a plan of up to three faults, of kinds for which allowed is true
// (nil: of all). Most come within the connection's first bytes or within the
// span; some connections are left alone.
func Random(random *rand.Rand, span time.Duration, allowed func(Kind) bool) Plan {
	var plan Plan
	for range random.IntN(4) {
		f := Fault{Kind: Kind(random.IntN(int(kinds))), Direction: Direction(random.IntN(2))}
		if f.Kind == Refuse && random.IntN(2) == 0 {
			f.Kind = Cut
		}
		if random.IntN(2) == 0 {
			// Small numbers are as likely as large ones: they hit the handshake
			// and the resume.
			f.After = 1 + random.IntN(1<<random.IntN(14))
		} else {
			f.At = 1 + time.Duration(random.Int64N(int64(span)))
		}
		switch f.Kind {
		case Stall:
			f.For = 1 + time.Duration(random.Int64N(int64(span)))
		case Delay:
			f.For = 1 + time.Duration(random.Int64N(int64(span)/50))
		case FailWrite:
			f.Direction = Up
		}
		if allowed == nil || allowed(f.Kind) {
			plan = append(plan, f)
		}
	}
	return plan
}
