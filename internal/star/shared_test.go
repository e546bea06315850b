package star

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Whoever has no more than the shared records has the packets that slaves are given: for each message to
// all and to one, of the master and of the service, from the name that the master has by the records before,
// to who has that number, in both forms, expiring when it does.
func TestPacketsOfRecords(t *testing.T) {
	all, one, service, expiring := 0, 0, 0, 0
	for seed := range uint64(*recordGames) {
		g := &recording{twin: &twin{
			original: newTable(t, randomLimits(rand.New(rand.NewPCG(seed, 47)))), random: rand.New(rand.NewPCG(seed, 53)), attachments: map[string][2]*Attachment{},
			names: []string{"alice", "bob", "carol", "dave"}, hubs: []*Hub{nil, {1}}, rosters: true,
		}}
		g.restored = g.original
		c := g.original
		c.Record(true)
		master := ""
		for range 250 {
			g.next()
			var down []Record
			var sent []Effect
			for _, e := range c.TakeEffects(nil) {
				switch toSlave := e.To != nil && e.To.Entered() && e.To.Role() == wire.Slave; {
				case e.Kind == Keep:
					s, err := ReadShared(e.Record())
					require.NoError(t, err)
					require.Equal(t, e.Record().Shared(), s.Kind != SharedNothing)
					switch s.Kind {
					case SharedCreated, SharedHanded:
						master = s.Name
					case SharedDown:
						down = append(down, e.Record())
					}
				case (e.Kind == SendAll || e.Kind == SendOne && toSlave) && e.Packet.IsMessage():
					sent = append(sent, e)
				}
			}
			down = slices.DeleteFunc(down, func(r Record) bool {
				s, _ := ReadShared(r) // to one who is away, or is fed
				return s.Number != 0 && !slices.ContainsFunc(sent, func(e Effect) bool { return e.Packet.Frame().Seq == s.Seq })
			})
			require.Len(t, down, len(sent))
			for i, e := range sent {
				p, to, err := DownPacket(c.name, master, down[i], c.now)
				require.NoError(t, err)
				if e.Kind == SendAll {
					require.Zero(t, to)
					all++
				} else {
					require.Equal(t, e.To.member.number, to)
					one++
				}
				samePacket(t, e.Packet, p)
				if e.Packet.Frame().From == "" {
					service++
				}
				if e.Packet.Expires() {
					expiring++
				}
			}
		}
	}
	for _, n := range []int{all, one, service, expiring} {
		require.Greater(t, n, 10)
	}
}

func samePacket(t *testing.T, expected, got *wire.Packet) {
	t.Helper()
	require.Equal(t, expected.Expires(), got.Expires())
	require.True(t, expected.End().Equal(got.End()), "%v and %v", expected.End(), got.End())
	require.Equal(t, expected.IsMessage(), got.IsMessage())
	for _, form := range []wire.Form{wire.Binary, wire.Text} {
		require.Equal(t, string(expected.Bytes(form)), string(got.Bytes(form)))
		if expected.Expires() {
			later := expected.End().Add(-time.Second)
			require.Equal(t, string(expected.At(later, form)), string(got.At(later, form)))
		}
	}
}

// A message lasts as long after it is read as it was worth something at first, and no longer, however late
// the clock is.
func TestAMessageDoesNotLastLongerElsewhere(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 1)
	c.Record(true)
	require.NoError(t, c.Send(a, lasting(c, textMessage(0, "x"), time.Minute)))
	var r Record
	for _, e := range c.TakeEffects(nil) {
		if e.Kind == Keep && e.Record().kind() == recordDown {
			r = e.Record()
		}
	}
	for _, test := range []struct{ ahead, end time.Duration }{{0, 0}, {time.Second, 0}, {time.Hour, 0}, {-time.Second, -time.Second}} {
		p, _, err := DownPacket("abc123", "alice", r, c.now.Add(test.ahead))
		require.NoError(t, err)
		require.WithinDuration(t, c.now.Add(time.Minute+test.end), p.End(), 0)
	}
}

// What shared records say, and what is no record of the kind.
func TestReadShared(t *testing.T) {
	why := &wire.Cause{Code: "kicked", Text: "noise"}
	for what, test := range map[string]struct {
		r    Record
		want Shared
		err  string
	}{
		"created": {record(recordCreated, func(p *pieces) {
			p.text("abc123")
			p.text("alice")
			p.signed(int64(xMaster))
			p.anyTerms(Terms{MaxSlaves: 3})
			p.bound(Bound{5, 6})
			p.number(7)
		}), Shared{Kind: SharedCreated, Name: "alice", MasterTimeout: xMaster}, ""},
		"ended":          {record(recordEnded, func(p *pieces) { p.text("kicked"); p.text("noise") }), Shared{Kind: SharedEnded, Why: why}, ""},
		"to all":         {someMessage(recordDown, 3, 0), Shared{Kind: SharedDown, Seq: 3}, ""},
		"to one":         {someMessage(recordDown, 3, 2, 9), Shared{Kind: SharedDown, Seq: 3, Number: 9}, ""},
		"a presence":     {numbersOf(recordPresence, uint64(wire.StateAway)), Shared{Kind: SharedPresence, State: wire.StateAway}, ""},
		"no presence":    {numbersOf(recordPresence, uint64(wire.StateLeft)), Shared{}, "there is the number 3 where none is above 2"},
		"over":           {record(recordOver, func(p *pieces) { p.number(4); p.number(5); p.text("kicked"); p.text("noise") }), Shared{Kind: SharedOver, Number: 4, Epoch: 5, Why: why}, ""},
		"handed":         {record(recordHanded, func(p *pieces) { p.number(4); p.text("bob") }), Shared{Kind: SharedHanded, Number: 4, Name: "bob"}, ""},
		"all muted":      {record(recordMutedAll, func(p *pieces) { p.flags(true); p.text("") }), Shared{Kind: SharedMutedAll, On: true}, ""},
		"an exception":   {record(recordException, func(p *pieces) { p.flags(true); p.text("bob") }), Shared{Kind: SharedException, On: true, Name: "bob"}, ""},
		"no exception":   {record(recordException, func(p *pieces) { p.flags(false); p.text("bob") }), Shared{Kind: SharedException, Name: "bob"}, ""},
		"an attribute":   {someAttribute(recordMasterAttribute, 0, "k", 3, wire.TextPayload, "v"), Shared{Kind: SharedAttribute, Key: "k", Seq: 3, Value: wire.Payload{Kind: wire.TextPayload, Data: []byte("v")}}, ""},
		"a reset":        {record(recordMasterReset, func(p *pieces) { p.number(0); p.text("k"); p.number(3) }), Shared{Kind: SharedReset, Key: "k", Seq: 3}, ""},
		"one's own":      {numbersOf(recordSeat, 3), Shared{}, ""},
		"unknown":        {numbersOf(recordShared|31, 3), Shared{}, ""},
		"unknown, own":   {numbersOf(recordCritical|31, 3), Shared{}, ""},
		"not passed":     {numbersOf(recordCritical|recordShared|31, 3), Shared{}, "star: a record of the kind 31 is not known here, and cannot be passed over"},
		"nothing":        {"", Shared{}, ""},
		"cut off":        {numbersOf(recordOver, 3), Shared{}, "a piece is cut off"},
		"too long":       {numbersOf(recordPresence, 1, 1), Shared{}, "star: a record is longer than its kind"},
		"a long message": {someMessage(recordDown, 3, 0) + "x", Shared{}, "star: a record is longer than its kind"},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := ReadShared(test.r)
			require.Equal(t, test.want, got)
			_, _, downErr := DownPacket("abc123", "alice", test.r, noon)
			if test.err != "" {
				require.EqualError(t, err, test.err)
				require.Error(t, downErr)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want.Kind == SharedDown, downErr == nil)
		})
	}
	_, _, err := DownPacket("abc123", "alice", someMessage(recordUp, 3, 1), noon)
	require.ErrorIs(t, err, errNoDown)
}

// Of any bytes, neither panics.
func FuzzReadShared(f *testing.F) {
	limits := newTable(new(testing.T), Limits{MaxSlaves: 5}).limits
	for _, r := range gameRecords(new(testing.T), 3, *limits, 200).all {
		if r.Shared() && len(r) < 200 {
			f.Add(string(r))
		}
	}
	f.Fuzz(func(t *testing.T, r string) {
		s, err := ReadShared(Record(r))
		p, to, downErr := DownPacket("abc123", "alice", Record(r), noon)
		if s.Kind == SharedDown {
			require.NoError(t, err)
			require.NoError(t, downErr)
			require.Equal(t, s.Number, to, fmt.Sprintf("%x", r))
			require.Equal(t, s.Seq, p.Frame().Seq)
		} else {
			require.Error(t, downErr)
		}
	})
}
