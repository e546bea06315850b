package races

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
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
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

var (
	pipelinedRounds = flag.Int("pipelined", 25, "how many rounds of frames in one go are played")
	pipelinedSeed   = flag.Uint64("pipelined.seed", 1, "the seed of the first of them")
)

// pipelined are peers that send whatever they like in one go, and do not wait for answers.
type pipelined struct {
	*stage.Stage
	mu      sync.Mutex
	r       *rand.Rand
	peers   []*piper
	ref     uint64
	tickets map[string]answer // the last one of a name in a channel
	// stopping: the hub is being shut down.
	stopping bool
	calls    sync.WaitGroup // of the service
}

func (p *pipelined) n(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.r.IntN(n)
}

func (p *pipelined) pause() { time.Sleep(time.Duration(max(0, p.n(6)-2)) * time.Millisecond) }

// answer is what is known of a frame that the hub has sent.
type answer struct {
	Type, Channel, Username, Resume string
	Ref, Epoch                      uint64
}

// piper is one connection, and what its peer knows.
type piper struct {
	*stage.Raw
	name, instance string
	form           wire.Form
	// out are the frames that are being sent.
	out chan string
	mu  sync.Mutex
	// in has the roles by channel, waiting the refs of the joins that wait.
	in      map[string]string
	waiting map[string]uint64
	// asked are the frames by their refs, and answers how often each was answered.
	asked   map[uint64]answer
	answers map[uint64]int
	// dropped has the channels in which what was queued was dropped, with a membership.
	dropped map[string]bool
	// inRow counts the malformed frames that were sent last, and tooMany: there were too many.
	inRow   int
	tooMany bool
	got     []string
	end     error
}

func (p *pipelined) peer(i int) *piper {
	one := &piper{
		Raw: p.Raw(), name: fmt.Sprint("u", i%3), out: make(chan string, 1000), in: map[string]string{}, waiting: map[string]uint64{}, dropped: map[string]bool{}, asked: map[uint64]answer{}, answers: map[uint64]int{},
	}
	if i%2 == 0 {
		one.instance = fmt.Sprint("i", i)
	}
	if p.n(2) == 0 {
		one.form = wire.Text
	}
	go func() {
		for frame := range one.out {
			_ = one.Conn.Write(one.written(frame))
		}
	}()
	go func() {
		for {
			data, err := one.Conn.Read()
			if err != nil {
				one.mu.Lock()
				close(one.out)
				one.end = err
				one.mu.Unlock()
				return
			}
			one.take(p, data)
		}
	}()
	return one
}

// written is the frame in the form of the peer. What is malformed is so in both.
func (o *piper) written(text string) []byte {
	frame, err := wire.Decode([]byte(text))
	if err != nil {
		return []byte(text)
	}
	return wire.Append(nil, o.form, &frame)
}

// take notes what the hub says.
func (o *piper) take(p *pipelined, data []byte) {
	frame, err := wire.Decode(data)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.got = append(o.got, string(wire.Append(nil, wire.Text, &frame))); err != nil {
		o.end = err
	}
	a := answer{frame.Type.String(), frame.Channel, frame.Username, frame.Secret, frame.Ref, frame.Epoch}
	if a.Ref != 0 && a.Type != "waiting" {
		o.answers[a.Ref]++
	}
	switch a.Type {
	case "created", "joined":
		o.in[a.Channel] = map[string]string{"created": "master", "joined": "slave"}[a.Type] + " " + a.Username
		delete(o.waiting, a.Channel)
		p.mu.Lock()
		p.tickets[a.Channel+a.Username] = a
		p.mu.Unlock()
	case "waiting":
		o.waiting[a.Channel] = a.Ref
	case "left", "closed":
		// Of another hub's channel the end may be the only answer to what was asked just before.
		o.dropped[a.Channel] = o.dropped[a.Channel] || frame.Code == "expired" || frame.Code == "revoked" || a.Type == "closed" && p.OfCluster()
		delete(o.in, a.Channel)
		fallthrough
	case "error":
		if o.waiting[a.Channel] == a.Ref {
			delete(o.waiting, a.Channel)
		}
	}
}

// frame is any frame of the peer.
func (p *pipelined) frame(o *piper) string {
	channel, other := string(rune('a'+p.n(3))), string(rune('a'+p.n(3)))
	p.mu.Lock()
	p.ref++
	ref, ticket := p.ref, p.tickets[channel+o.name]
	p.mu.Unlock()
	entering := fmt.Sprintf(`"ref":%d,"channel":"%s","username":"%s"`, ref, channel, o.name)
	if o.instance != "" {
		entering += `,"instance":"` + o.instance + `"`
	}
	about := fmt.Sprintf(`"ref":%d,"channel":"%s"`, ref, channel)
	to := fmt.Sprintf(`,"to":"u%d"`, p.n(3))
	frames := []string{
		`create",` + entering, `create",` + entering + `,"door":"knock"`, `join",` + entering, `join",` + entering, `join",` + entering + `,"wait":true`,
		`join",` + entering + `,"from":"` + other + `"`, `join",` + entering + `,"from":"` + other + `"`, `join",` + entering + `,"wait":true,"from":"` + other + `"`,
		fmt.Sprintf(`resume",%s,"resume":"%s","epoch":%d`, entering, ticket.Resume, ticket.Epoch),
		`leave",` + about, `leave",` + about, `send",` + about + `,"text":"x"`, `send",` + about + `,"text":"x"`, `members",` + about, `status",` + about,
		fmt.Sprintf(`ping",%s,"epoch":%d`, about, ticket.Epoch), `door",` + about + `,"door":"` + []string{"open", "knock", "locked"}[p.n(3)] + `"`,
		fmt.Sprintf(`admit",%s,"knock":%d`, about, 1+p.n(6)), fmt.Sprintf(`deny",%s,"knock":%d`, about, 1+p.n(6)),
		fmt.Sprintf(`hand_over",%s,"resume":"%s"%s,"stay":true`, entering, ticket.Resume, to), `kick",` + about + to, `hand_over",` + about + to, `hand_over",` + about + to + `,"stay":true`, `malformed`, `malformed`,
	}
	frame := frames[p.n(len(frames))]
	if frame == "malformed" {
		if o.inRow++; o.inRow == 3 {
			o.tooMany = true
		}
		return `{"type":`
	}
	o.inRow = 0
	o.asked[ref] = answer{Type: frame[:strings.Index(frame, `"`)], Channel: channel}
	return `{"type":"` + frame + `}`
}

// goes has everybody send something, and something happen to them meanwhile.
func (p *pipelined) goes() {
	for i, o := range p.peers {
		if o.isLive() == nil {
			if !p.stopping {
				p.peers[i] = p.peer(i)
			}
			continue
		}
		o.mu.Lock()
		for n := 1 + p.n(6); n > 0 && o.end == nil; n-- {
			o.out <- p.frame(o)
		}
		o.mu.Unlock()
		if p.n(4) == 0 {
			p.pause()
		}
		if p.n(25) == 0 {
			_ = o.Conn.Close(transport.Reason{Code: []transport.CloseCode{transport.Left, transport.Idle}[p.n(2)]})
		}
	}
	if c, exists := p.Hub.Channel(string(rune('a' + p.n(3)))); exists {
		name := fmt.Sprint("u", p.n(3))
		switch p.n(12) {
		case 0:
			_ = c.Kick(name, "")
		case 1, 2:
			p.calls.Go(func() { _ = c.SetMaster(stage.Within(p.T), name) })
		case 3:
			_ = c.Close("")
		}
	}
}

func (o *piper) isLive() *piper {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return nil
	}
	return o
}

// check expects that nothing happens any more, and that what the peers know is what the hub knows.
func (p *pipelined) check() {
	synctest.Wait()
	var have, there []string
	waiting := map[string]int{}
	for _, o := range p.peers {
		o.mu.Lock() // nobody has it
		defer o.mu.Unlock()
		var closed *transport.CloseError
		if errors.As(o.end, &closed) && closed.Reason.Code == transport.ProtocolError {
			require.GreaterOrEqual(p.T, strings.Count(o.String(), `"bad_frame"`), 3, "%s", o)
		}
		for ref, times := range o.answers {
			require.Equal(p.T, 1, times, "answers to %d: %s", ref, o)
		}
		if o.end != nil {
			continue
		}
		require.False(p.T, o.tooMany, "%s", o)
		for channel, who := range o.in {
			have = append(have, channel+" "+who)
		}
		for channel := range o.waiting {
			waiting[channel]++
		}
		for ref, f := range o.asked {
			if o.answers[ref] == 0 && o.waiting[f.Channel] != ref {
				again := o.dropped[f.Channel]
				for later, g := range o.asked {
					again = again || f.Type == "join" && g.Type == "join" && g.Channel == f.Channel && later > ref
				}
				require.True(p.T, again, "no answer to %d %v: %s", ref, f, o)
			}
		}
	}
	for c := range p.Channels() {
		shot, _ := c.Snapshot()
		require.Equal(p.T, waiting[c.Name()], shot.Waiting, "%s: %s", c.Name(), p.peers)
		if shot.Master.State == lectern.StateOnline {
			there = append(there, c.Name()+" master "+shot.Master.Username)
		}
		for _, m := range shot.Slaves {
			if m.State == lectern.StateOnline {
				there = append(there, c.Name()+" slave "+m.Username)
			}
		}
	}
	slices.Sort(have)
	slices.Sort(there)
	require.Equal(p.T, there, have, "%s", p.peers)
}

func (o *piper) String() string {
	return fmt.Sprintf("%s %v in %v, waits %v:\n  %s\n", o.name, o.end, o.in, o.waiting, strings.Join(o.got, "\n  "))
}

// stops shuts the hubs down in the middle of it: nobody is left, and no channel is decided wrongly.
func (p *pipelined) stops() {
	ctx, cancel := context.WithTimeout(p.T.Context(), time.Duration(p.n(3))*time.Second)
	defer cancel()
	stopped := make(chan error, len(p.Hubs))
	for _, hub := range p.Hubs {
		go func() { stopped <- hub.Shutdown(ctx) }()
	}
	p.stopping = true
	p.goes()
	for range p.Hubs {
		if err := <-stopped; err != nil {
			require.ErrorIs(p.T, err, context.DeadlineExceeded)
		}
	}
	synctest.Wait()
	for _, o := range p.peers {
		require.Nil(p.T, o.isLive(), "%s", o)
	}
	if !p.OfCluster() {
		require.NoError(p.T, p.Hub.Export(io.Discard))
	}
}

// slowLog takes its time, so that a channel tells late what it has decided.
type slowLog struct {
	slog.Handler
	p *pipelined
}

func (l slowLog) Enabled(context.Context, slog.Level) bool { return true }
func (l slowLog) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l slowLog) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelInfo {
		l.p.pause()
	}
	return nil
}

// Whatever is sent in one go, each frame has one answer, and who is in a channel for the hub is so for its peer.
// A connection that holds nothing is closed in its time, and no other one.
func TestRaceOfFramesInOneGo(t *testing.T) {
	for seed := *pipelinedSeed; seed < *pipelinedSeed+uint64(*pipelinedRounds); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := &pipelined{r: rand.New(rand.NewPCG(seed, 0)), tickets: map[string]answer{}}
			unlimited := lectern.RateLimit{PerSecond: -1}
			policy := lectern.Policy{
				MaxChannelsPerConnection: 1 + int(seed%3), HandshakeTimeout: 10 * time.Second, MasterTimeout: 3 * time.Second, SlaveTimeout: 3 * time.Second,
				FrameRate: unlimited, SlaveMessageRate: unlimited, MembershipRate: unlimited, MaxHandshakeBytes: -1,
			}
			if seed%2 == 0 {
				policy.Reauthorize = []lectern.Operation{lectern.OpResume, lectern.OpStatus}
				policy.Authorize = func(context.Context, lectern.AuthRequest) (lectern.Identity, error) {
					p.pause()
					switch p.n(15) {
					case 0:
						return lectern.Identity{}, lectern.ErrUnauthorized
					case 1:
						return lectern.Identity{}, lectern.ErrBusy
					}
					i := lectern.Identity{AsAsked: true, TakeOver: p.n(20) == 0}
					if p.n(5) == 0 {
						i.Expires = time.Now().Add(time.Duration(1+p.n(100)) * time.Millisecond)
					}
					return i, nil
				}
				policy.AuthorizeMessage = func(context.Context, lectern.Sender, lectern.OutgoingMessage) error {
					p.pause()
					return nil
				}
			}
			if seed%3 == 0 {
				policy.Logger = slog.New(slowLog{slog.DiscardHandler, p})
			}
			stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
				p.Stage = s
				defer p.calls.Wait()
				for i := range 5 {
					p.peers = append(p.peers, p.peer(i))
				}
				for range 30 {
					p.goes()
					if p.n(3) == 0 {
						settles := time.Second
						if s.OfCluster() {
							settles = 6 * time.Second // what a hub has not heard of others it looks for after some seconds
						}
						time.Sleep(settles + 333*time.Microsecond + 333) // nothing else falls into this instant
						p.check()
					}
				}
				if seed%4 == 0 {
					p.stops()
					return
				}
				time.Sleep(15 * time.Second) // nobody is away any more, and whoever holds nothing was closed
				p.check()
				for _, o := range p.peers {
					var closed *transport.CloseError
					idle := errors.As(o.end, &closed) && closed.Reason.Code == transport.Idle
					require.True(t, o.end != nil || len(o.in)+len(o.waiting) > 0, "%s", o)
					require.False(t, idle && len(o.in)+len(o.waiting) > 0, "%s", o)
				}
				for _, o := range p.peers {
					_ = o.Conn.Close(transport.Reason{Code: transport.Idle})
				}
				time.Sleep(4 * time.Second)
				synctest.Wait()
				for c := range p.Channels() {
					require.Fail(t, "a channel is left", c.Name())
				}
			})
		})
	}
}
