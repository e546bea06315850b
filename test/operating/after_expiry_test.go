package operating

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

var (
	expiries   = flag.Int("expiries", 300, "at how many random instants TestNothingAfterExpires lets a grant end")
	expirySeed = flag.Uint64("expiry.seed", 0, "the one round of this seed")
)

// grantWindow is a time in which the service lets the member be one: from its entering or coming
// back until what it was granted expires.
type grantWindow struct{ from, until time.Time }

// writtenFrame is a frame that the hub has begun to write at that time.
type writtenFrame struct {
	at    time.Time
	frame string
}

// expiryRound is a member whose grant ends at a random instant, under traffic, on connections
// that break, and that comes back at all times. mu guards what the hub's goroutines use.
type expiryRound struct {
	*stage.Stage
	random *rand.Rand
	// master: the subject is one, and else a slave. reauthorizes: the service is asked at each resume.
	master, reauthorizes bool

	mu      sync.Mutex
	windows []grantWindow
	written []writtenFrame

	// near is the connection that was made last. holding is the one that the member is on, and is
	// nil where that was lost, at the time lost.
	near, holding transport.Conn
	lost          time.Time
	conns         []transport.Conn
	served        sync.WaitGroup
	secret        string
	ref           uint64
	stalled       bool
	// resumed and renewed count the returns without a fresh grant and with one.
	resumed, renewed int
}

func (r *expiryRound) String() string {
	var b strings.Builder
	for _, g := range r.windows {
		fmt.Fprintf(&b, "in from %v until %v\n", g.from, g.until)
	}
	for _, w := range r.written {
		fmt.Fprintf(&b, "%v %.150s\n", w.at, w.frame)
	}
	return b.String()
}

func (r *expiryRound) until() time.Time { return r.windows[len(r.windows)-1].until }

// authorize lets the subject in until the instant that its token tells, in nanoseconds from now. A resume
// that shows none gets what there was before, and nothing where that is over.
func (r *expiryRound) authorize(_ context.Context, a lectern.AuthRequest) (lectern.Identity, error) {
	if a.Username != "subject" {
		return lectern.Identity{AsAsked: true}, nil
	}
	if a.Token != "" {
		var lasts time.Duration
		if _, err := fmt.Sscan(a.Token, (*int64)(&lasts)); err != nil {
			return lectern.Identity{}, err
		}
		return lectern.Identity{AsAsked: true, Expires: time.Now().Add(lasts)}, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if until := r.until(); time.Now().Before(until) {
		return lectern.Identity{AsAsked: true, Expires: until}, nil
	}
	return lectern.Identity{}, lectern.ErrUnauthorized.WithText("the lesson is over")
}

// recordingConn is the hub's end of a connection, which keeps when the hub has begun to write what.
type recordingConn struct {
	transport.Conn
	round *expiryRound
}

func (c recordingConn) Write(messages ...[]byte) error {
	c.round.mu.Lock()
	for _, m := range messages {
		c.round.written = append(c.round.written, writtenFrame{time.Now(), string(m)})
	}
	c.round.mu.Unlock()
	return c.Conn.Write(messages...)
}

// connects makes another connection of the subject, and sends the frame on it.
func (r *expiryRound) connects(frame string) {
	near, far := memory.Pipe(memory.Options{QueueMessages: 4})
	r.mu.Lock()
	r.near, r.stalled, r.conns = near, false, append(r.conns, near)
	r.mu.Unlock()
	r.served.Go(func() { _ = r.Hub.Serve(context.Background(), recordingConn{far, r}) })
	require.NoError(r.T, near.Write([]byte(frame)))
	r.served.Go(func() { r.reads(near) })
}

// reads reads all that comes, but for the times at which the subject is stalled.
func (r *expiryRound) reads(conn transport.Conn) {
	for {
		r.mu.Lock()
		stalled := r.stalled && conn == r.near
		r.mu.Unlock()
		if stalled {
			time.Sleep(time.Millisecond + 3)
			continue
		}
		if _, err := conn.Read(); err != nil {
			_ = conn.Close(transport.Reason{Code: transport.Left})
			return
		}
	}
}

// answer is the hub's answer to the frame of that ref, or nil where none was written.
func (r *expiryRound) answer(ref uint64) map[string]any {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range slices.Backward(r.written) {
		var frame map[string]any
		require.NoError(r.T, json.Unmarshal([]byte(w.frame), &frame))
		if frame["ref"] == float64(ref) {
			return frame
		}
	}
	return nil
}

// entered takes in the answer to a create, a join or a resume.
func (r *expiryRound) entered(answer map[string]any, until time.Time) {
	r.secret, r.holding = answer["resume"].(string), r.near
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows = append(r.windows, grantWindow{time.Now(), until})
}

// lasts is how long the next grant lasts.
func (r *expiryRound) lasts() time.Duration {
	return 1 + time.Duration(r.random.Int64N(int64(8*time.Second)))
}

// comesBack resumes on another connection: with a fresh token, or with none.
func (r *expiryRound) comesBack() {
	if r.random.IntN(2) == 0 && r.holding != nil {
		_ = r.holding.Close(transport.Reason{Code: transport.Idle})
		r.holding, r.lost = nil, time.Now()
		synctest.Wait()
		time.Sleep(r.next())
	}
	r.ref++
	frame := fmt.Sprintf(`{"type":"resume","ref":%d,"channel":"abc123","username":"subject","resume":"%s"`, r.ref, r.secret)
	until, over, gone := r.until(), !time.Now().Before(r.until()), r.isGone()
	if fresh := r.random.IntN(3) == 0; fresh {
		lasts := r.lasts()
		frame += fmt.Sprintf(`,"token":"%d"`, lasts)
		if over || r.reauthorizes { // else the service is not asked
			until = time.Now().Add(lasts)
		}
		r.connects(frame + "}")
		answer := r.answer(r.ref)
		require.NotNil(r.T, answer, frame)
		if answer["type"] == "error" {
			require.True(r.T, gone || over && !r.master, "%v, with a fresh token:\n%v", answer, r)
			return
		}
		require.False(r.T, over && !r.master, "a slave was let back after it had expired: %v", answer)
		r.renewed++
		r.entered(answer, until)
		return
	}
	r.connects(frame + "}")
	answer := r.answer(r.ref)
	require.NotNil(r.T, answer, frame)
	if over || gone {
		require.Equal(r.T, "error", answer["type"], "let back after the end (gone: %t, lost at %v): %v\n%v", gone, r.lost, answer, r)
		return
	}
	require.NotEqual(r.T, "error", answer["type"], "%v, before it was over:\n%v", answer, r)
	r.resumed++
	r.entered(answer, until)
}

// away is how long the member's place is kept.
const away = 10 * time.Second

// isGone reports whether the membership is over for good, where it is a master's, or because its
// connection was lost for too long.
func (r *expiryRound) isGone() bool {
	from := r.until() // a master is away then
	if r.holding == nil && r.lost.Before(from) {
		from = r.lost
	} else if !r.master {
		return false
	}
	return !time.Now().Before(from.Add(away))
}

// refreshes moves the instant, where the subject can be heard and reads.
func (r *expiryRound) refreshes() {
	if r.stalled || !time.Now().Before(r.until()) {
		return
	}
	r.ref++
	lasts := r.lasts()
	if r.near.Write(fmt.Appendf(nil, `{"type":"refresh","ref":%d,"channel":"abc123","token":"%d"}`, r.ref, lasts)) != nil {
		return
	}
	if answer := r.answer(r.ref); answer != nil && answer["type"] == "ack" {
		r.mu.Lock()
		r.windows[len(r.windows)-1].until = time.Now().Add(lasts)
		r.mu.Unlock()
	}
}

// next is how long it takes until the next move: often to the instant, or a nanosecond beside it.
func (r *expiryRound) next() time.Duration {
	if left := time.Until(r.until()); left > 0 && r.random.IntN(3) == 0 {
		return max(left+time.Duration(r.random.IntN(3)-1), 0)
	}
	return time.Duration(r.random.Int64N(int64(2 * time.Second)))
}

func (r *expiryRound) play(t *testing.T) {
	other := r.User()
	var says func()
	begins := func(operation string) {
		lasts := r.lasts()
		r.ref = 1
		r.connects(fmt.Sprintf(`{"type":%q,"ref":1,"channel":"abc123","username":"subject","token":"%d"}`, operation, lasts))
		answer := r.answer(1)
		require.NotEqual(t, "error", answer["type"])
		r.entered(answer, time.Now().Add(lasts))
	}
	text := strings.Repeat("x", 1+r.random.IntN(5000))
	if r.master {
		begins("create")
		slave := other.Joins("abc123", "bob")
		says = func() { _, _ = slave.Send(context.Background(), lectern.Text(text)) }
	} else {
		master := other.Creates("abc123", "alice")
		begins("join")
		says = func() {
			switch r.random.IntN(4) {
			case 0:
				_, _ = master.Send(context.Background(), "subject", lectern.Text(text))
			case 1:
				_ = master.SetAttribute(context.Background(), fmt.Sprint("key", r.random.IntN(4)), lectern.Text(text))
			default:
				_, _ = master.Broadcast(context.Background(), lectern.Text(text))
			}
		}
	}
	for range 20 {
		time.Sleep(r.next())
		switch r.random.IntN(6) {
		case 0:
			r.comesBack()
		case 1:
			r.refreshes()
		case 2:
			r.mu.Lock()
			r.stalled = !r.stalled
			r.mu.Unlock()
		default:
			for range 1 + r.random.IntN(8) {
				says()
			}
		}
	}
	r.mu.Lock()
	r.stalled = false
	r.mu.Unlock()
	for _, conn := range r.conns {
		_ = conn.Close(transport.Reason{Code: transport.Left})
	}
	r.served.Wait()
	for _, w := range r.written {
		if strings.HasPrefix(w.frame, `{"type":"error"`) || strings.HasPrefix(w.frame, `{"type":"closed"`) {
			continue // it has nothing of the channel
		}
		// The writing of what was queued before may begin at the very instant.
		require.True(t, slices.ContainsFunc(r.windows, func(g grantWindow) bool { return !w.at.Before(g.from) && !w.at.After(g.until) }),
			"%.150s is written at %v:\n%v", w.frame, w.at, r)
	}
}

// After the instant at which a grant expires no frame is written to the member, and its secret
// brings nobody back: a slave never, a master only with a fresh grant.
func TestNothingAfterExpires(t *testing.T) {
	seeds := make([]uint64, *expiries)
	for i := range seeds {
		seeds[i] = rand.Uint64()
	}
	if *expirySeed != 0 {
		seeds = []uint64{*expirySeed}
	}
	resumed, renewed := 0, 0
	for _, seed := range seeds {
		r := &expiryRound{random: rand.New(rand.NewPCG(seed, 0)), master: seed%2 == 0, reauthorizes: seed%3 == 0}
		policy := lectern.Policy{Authorize: r.authorize, MasterTimeout: away, SlaveTimeout: away, WriteTimeout: time.Hour}
		if r.reauthorizes {
			policy.Reauthorize = []lectern.Operation{lectern.OpResume}
		}
		stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
			r.Stage = s
			r.play(t)
		})
		if t.Failed() {
			t.Fatalf("of -expiry.seed=%d", seed)
		}
		resumed, renewed = resumed+r.resumed, renewed+r.renewed
	}
	if *expirySeed == 0 {
		require.Positive(t, resumed)
		require.Positive(t, renewed)
	}
}
