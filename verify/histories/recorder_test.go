package histories

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

var (
	rounds = flag.Int("histories.rounds", 100, "how many histories each test records")
	seed   = flag.Uint64("histories.seed", 0, "record histories of this one seed")
)

// checkTime bounds the judging of one history, which takes milliseconds.
const checkTime = 10 * time.Second

// recorder takes down who did what, between which two instants, and how it
// ended. The instants are numbers of one counter.
type recorder struct {
	clock   atomic.Int64
	handles atomic.Int64

	mu      sync.Mutex
	history []porcupine.Operation
	lanes   int
	// pending are the operations of the history whose outcome is unknown.
	pending []int
}

// lane is one line of a history: operations one after the other.
type lane struct {
	r  *recorder
	id int
	// called is when the latest operation began.
	called int64
}

func (r *recorder) lane() *lane { return &lane{r: r, id: r.newLane()} }

func (r *recorder) newLane() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lanes++
	return r.lanes - 1
}

func (r *recorder) newHandle() int { return int(r.handles.Add(1)) }

// run records one operation. One without an outcome is open to the end, and
// what follows is on another line.
func (l *lane) run(in input, do func() output) output {
	l.called = l.r.clock.Add(1)
	out := do()
	l.add(in, out)
	return out
}

// follow records what may happen at any time from the beginning of the latest
// operation on, or never, in consequence of it.
func (l *lane) follow(in input) { l.add(in, output{outcome: unknown}) }

func (l *lane) add(in input, out output) {
	end := l.r.clock.Add(1)
	if in.op == status && out.outcome == unknown {
		return // it tells nothing
	}
	l.r.mu.Lock()
	if out.outcome == unknown {
		l.r.pending = append(l.r.pending, len(l.r.history))
	}
	l.r.history = append(l.r.history, porcupine.Operation{ClientId: l.id, Input: in, Output: out, Call: l.called, Return: end})
	l.r.mu.Unlock()
	if out.outcome == unknown {
		l.id = l.r.newLane()
	}
}

// finish returns the history, once nobody records any more.
func (r *recorder) finish() []porcupine.Operation {
	end := r.clock.Add(1)
	for _, i := range r.pending {
		r.history[i].Return = end
	}
	r.history = withoutReturns(r.history)
	learn(r.history)
	learnKnocks(r.history)
	noteWaits(r.history)
	return r.history
}

// learn notes the numbers that somebody has seen with what was sent or set by calls that were
// told none. A slave's attributes may be told with other numbers than they had at first.
func learn(history []porcupine.Operation) {
	seen := make(map[string]uint64)
	for _, op := range history {
		if got := op.Output.(output).got; got.what == said || got.what == replied && got.seq != 0 || got.what == hasSet && got.ofMaster && got.value != "" {
			seen[got.text+got.value] = got.seq
		}
	}
	for i, op := range history {
		in, out := op.Input.(input), op.Output.(output)
		if in.op == withdraw {
			continue
		}
		if in.op == set {
			in.text = in.pairs[0].value
		}
		if out.seq == 0 && in.text != "" && (out.outcome == ok || out.outcome == unknown) {
			out.seq = seen[in.text]
			history[i].Output = out
		}
	}
}

// judge fails the test where the history is not what the rules allow, and says
// where it can be looked at.
func judge(t *testing.T, seed uint64, history []porcupine.Operation) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(model, history, checkTime)
	switch result {
	case porcupine.Ok:
		return
	case porcupine.Unknown:
		// Much was given up, and there are too many orders to look at.
		t.Logf("a history of %d operations is not decided after %v; of -histories.seed=%d", len(history), checkTime, seed)
		return
	}
	file, err := os.CreateTemp("", "lectern-history-*.html")
	require.NoError(t, err)
	require.NoError(t, porcupine.Visualize(model, info, file))
	require.NoError(t, file.Close())
	t.Fatalf("a history of %d operations is %s; see %s; of -histories.seed=%d%s",
		len(history), result, file.Name(), seed, stuckAt(history, info))
}

// stuckAt tells of each channel that could not be explained the end of the
// longest order of its operations that could, and what is left then.
func stuckAt(history []porcupine.Operation, info porcupine.LinearizationInfo) string {
	const shown = 25
	var b strings.Builder
	for i, orders := range info.PartialLinearizationsOperations() {
		part := model.Partition(history)[i]
		var longest []porcupine.Operation
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
		if len(longest) == len(part) {
			continue
		}
		fmt.Fprintf(&b, "\n%s, the last of %d of %d operations in order:", part[0].Input.(input).channel, len(longest), len(part))
		state := star{}
		ordered := make(map[[2]int64]bool)
		line := func(op porcupine.Operation) {
			fmt.Fprintf(&b, "\n\t%5d to %5d  %s", op.Call, op.Return, describe(op.Input.(input), op.Output.(output)))
		}
		for i, op := range longest {
			_, state = state.step(op.Input.(input), op.Output.(output))
			ordered[[2]int64{op.Call, op.Return}] = true
			if i >= len(longest)-shown {
				line(op)
				fmt.Fprintf(&b, "  => %v", state)
			}
		}
		b.WriteString("\nand then none of:")
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		for left := 0; left < shown && len(part) > 0; part = part[1:] {
			if !ordered[[2]int64{part[0].Call, part[0].Return}] {
				line(part[0])
				left++
			}
		}
	}
	return b.String()
}

// tally counts operations by how they ended, over many histories.
type tally map[string]int

func (n tally) add(history []porcupine.Operation) {
	for _, op := range history {
		in, out := op.Input.(input), op.Output.(output)
		name := fmt.Sprint(in.op, " ", out.outcome)
		switch {
		case in.op != take:
		case out.got.what == hasKnocked:
			name = "take a knock"
		case out.got.what == said:
			name = "take a message"
		case out.got.missed > 0:
			name = "take a gap"
		case out.got.value == "":
			name = "take a removal"
		default:
			name = "take a value"
		}
		n[name]++
	}
}

func (n tally) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&b, "\n\t%6d %s", n[name], name)
	}
	return b.String()
}

// outcomeOf sorts the errors of calls and handles.
func outcomeOf(err error) outcome {
	var e *lectern.Error
	switch {
	case err == nil:
		return ok
	case errors.Is(err, lectern.ErrSendUnknown):
		return unknown
	case errors.Is(err, lectern.ErrResumeFailed):
		return outcome(lectern.ErrResumeFailed.Code)
	case !errors.As(err, &e):
		// Given up before an answer came, or the connection was lost.
		return unknown
	}
	for _, end := range []*lectern.Error{
		lectern.ErrMasterLeft, lectern.ErrMasterDown, lectern.ErrKicked, lectern.ErrChannelClosed, lectern.ErrLeft,
		lectern.ErrReplaced, lectern.ErrShutdown, lectern.ErrNotAMember, lectern.ErrExpired, lectern.ErrRevoked, lectern.ErrHandedOver,
	} {
		if e.Code == end.Code {
			return ended
		}
	}
	for _, passing := range []*lectern.Error{lectern.ErrBusy, lectern.ErrRateLimited, lectern.ErrShuttingDown, lectern.ErrTooLate} {
		if e.Code == passing.Code {
			return refused
		}
	}
	return outcome(e.Code)
}
