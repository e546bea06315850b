package cluster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	. "github.com/lectern-go/lectern/internal/cluster"
)

func TestControlKeyIsInItsShard(t *testing.T) {
	for _, shards := range []int{1, 3, 16, 60_000} {
		seen := make(map[cluster.Key]bool)
		for shard := range shards {
			for _, hub := range []cluster.HubID{self, other} {
				key := ControlKey(shard, hub)
				if key.Shard(shards) != shard {
					t.Fatalf("shard %d of %d", shard, shards)
				}
				seen[key] = true
			}
		}
		require.Len(t, seen, 2*shards)
	}
	channel, control := cluster.KeyOf("hub "+string(self[:])), ControlKey(0, self)
	require.NotEqual(t, channel[2:], control[2:], "a channel can have that name")
}

// What is told to a Doubting, and what it is to say then. The hub that is doubted is other; third doubts it too.
type doubtStep struct {
	at    int
	tell  func(d *Doubting, now time.Time)
	move  Move
	until int
}

func found(position, after cluster.Position, from cluster.HubID, ageMs int) func(d *Doubting, now time.Time) {
	return func(d *Doubting, now time.Time) {
		d.Found(now, now, Sign{Position: position, After: after, From: from, Age: time.Duration(ageMs) * time.Millisecond})
	}
}

func asked(position cluster.Position) func(d *Doubting, now time.Time) {
	return func(d *Doubting, now time.Time) { d.Asked(now, position) }
}

func alive(at int) func(d *Doubting, now time.Time) {
	return func(d *Doubting, now time.Time) { d.Alive(after(at)) }
}

func failed(d *Doubting, now time.Time) { d.Failed(now) }

func TestDoubting(t *testing.T) {
	for name, test := range map[string]struct {
		rank  int
		steps []doubtStep
	}{
		"nobody answers": {0, []doubtStep{
			{0, nil, Pause, 1500}, {1499, nil, Pause, 1500}, {1500, nil, Look, 0}, {1510, found(0, 0, cluster.HubID{}, 0), Ask, 0},
			{1520, asked(7), Pause, 2520}, {2519, nil, Pause, 2520}, {2520, nil, Look, 0}, {2530, found(7, 0, self, 1005), Take, 4530},
			{4529, nil, Take, 4530}, {4530, nil, Look, 0}, {4540, found(7, 0, self, 3000), Take, 6540},
		}},
		"others go first": {3, []doubtStep{
			{1500, nil, Pause, 1950}, {1949, nil, Pause, 1950}, {1950, nil, Look, 0},
		}},
		"another has asked": {2, []doubtStep{
			{1800, nil, Look, 0}, {1800, found(3, 0, third, 250), Pause, 2550}, {2550, nil, Look, 0}, {2560, found(3, 0, third, 1010), Take, 4560},
		}},
		"another has asked long enough ago, in this silence": {0, []doubtStep{
			{5000, nil, Look, 0}, {5000, found(3, 0, third, 3000), Take, 7000},
		}},
		"another has asked before it was last heard": {0, []doubtStep{
			{1500, nil, Look, 0}, {1501, found(3, 0, third, 1502), Ask, 0}, {1502, asked(4), Pause, 2502}, {2502, nil, Look, 0},
			{2502, found(4, 3, self, 1000), Take, 4502},
		}},
		"it answers": {1, []doubtStep{
			{1650, nil, Look, 0}, {1650, found(2, 0, other, 9000), Ask, 0}, {1660, asked(3), Pause, 2660}, {2660, nil, Look, 0},
			{2661, found(4, 3, other, 900), Pause, 3411}, {3411, nil, Look, 0}, {3412, found(4, 3, other, 1651), Ask, 0}, {3412, asked(5), Pause, 4412},
			{4412, nil, Look, 0}, {4413, found(5, 4, self, 1001), Take, 6413},
		}},
		"it answers, whatever the engine's clock says of when": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2511, found(4, 3, other, 30_000), Pause, 3010},
		}},
		"an old answer, of which that clock says that it is new, counts once": {0, []doubtStep{
			{1500, found(4, 3, other, 0), Pause, 3000}, {3000, nil, Look, 0}, {3001, found(4, 3, other, 0), Ask, 0},
		}},
		"it is heard before anybody asks": {0, []doubtStep{
			{1499, alive(1400), Pause, 2900}, {2899, alive(1000), Pause, 2900}, {2900, nil, Look, 0},
		}},
		"it is heard after it was asked": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2000, alive(1900), Pause, 3400}, {3400, nil, Look, 0},
			{3400, found(3, 0, self, 1890), Ask, 0}, {3410, asked(4), Pause, 4410},
		}},
		"it is heard when it could be taken": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2510, found(3, 0, self, 1000), Take, 4510}, {2600, alive(2590), Pause, 4090},
		}},
		"it answers late": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2510, found(3, 0, self, 1000), Take, 4510}, {4510, nil, Look, 0},
			{4511, found(4, 3, other, 11), Pause, 6000},
		}},
		"a look fails": {0, []doubtStep{
			{1500, nil, Look, 0}, {1600, failed, Pause, 1850}, {1850, nil, Look, 0}, {1860, found(0, 0, cluster.HubID{}, 0), Ask, 0},
		}},
		"a doubt fails, and is there": {0, []doubtStep{
			{1500, found(1, 0, other, 70_000), Ask, 0}, {1600, failed, Pause, 1850}, {1850, nil, Look, 0}, {1860, found(2, 1, self, 300), Pause, 2560}, {2560, nil, Look, 0},
			{2560, found(2, 1, self, 1000), Take, 4560},
		}},
		"a doubt fails, and is not there": {0, []doubtStep{
			{1500, found(1, 0, other, 70_000), Ask, 0}, {1600, failed, Pause, 1850}, {1850, nil, Look, 0}, {1860, found(1, 0, other, 70_360), Ask, 0},
		}},
		"a look fails when it could be taken": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2510, failed, Pause, 2760}, {2760, nil, Look, 0}, {2760, found(3, 0, self, 1250), Take, 4760},
		}},
		"a look that began too early says nothing": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510},
			{2520, func(d *Doubting, now time.Time) {
				d.Found(after(2509), now, Sign{Position: 3, From: self, Age: time.Second})
			}, Look, 0},
		}},
		"two ask in a row": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2510, found(4, 3, third, 100), Take, 4510},
		}},
		"two ask, and something lies between": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2510, found(5, 4, third, 100), Pause, 3410},
		}},
		"two whose clocks are half a minute apart do not ask for ever": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2510, found(5, 4, third, 30_000), Take, 4510},
		}},
		"the log has expired": {0, []doubtStep{
			{1500, found(0, 0, cluster.HubID{}, 0), Ask, 0}, {1510, asked(3), Pause, 2510}, {2510, found(0, 0, cluster.HubID{}, 0), Ask, 0},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDoubting(other, begun, test.rank)
			for _, s := range test.steps {
				if s.tell != nil {
					s.tell(d, after(s.at))
				}
				move, until := d.Next(after(s.at))
				require.Equal(t, s.move, move, "at %d", s.at)
				if move == Pause || move == Take {
					require.Equal(t, after(s.until), until, "at %d", s.at)
				}
			}
		})
	}
}

func TestDoubtFollowsTheLast(t *testing.T) {
	d := NewDoubting(other, begun, 0)
	d.Found(after(1500), after(1500), Sign{Position: 9, From: other, Age: time.Minute})
	require.EqualValues(t, 9, d.After())
}
