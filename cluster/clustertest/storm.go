package clustertest

import (
	"slices"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// Storm lets things happen for so long, drawn from the seed, one every 1 to 9 seconds: hubs are frozen and isolated
// for up to 9 seconds, pairs of them cut for up to 15, both ways or one, shards are
// without a leader for 4 to 9, and hubs are killed by kill, while more than two are alive. Where kill is nil
// none is; it has to call Kill, and to start another hub where there is to be one.
// Storm returns when the time is over, and what it has begun has ended.
func (n *Network) Storm(lasts time.Duration, kill func(cluster.HubID)) {
	d := n.dice(draw{what: "storm"}, 0)
	end := time.Now().Add(lasts)
	var ends []func() // each thing's end, in the order in which they come
	var at []time.Time
	after := func(wait time.Duration, end func()) {
		when := time.Now().Add(wait)
		i, _ := slices.BinarySearchFunc(at, when, time.Time.Compare)
		at, ends = slices.Insert(at, i, when), slices.Insert(ends, i, end)
	}
	next := time.Now()
	for time.Now().Before(end) || len(ends) > 0 {
		if !next.Before(end) {
			next = end
		}
		if len(ends) > 0 && (at[0].Before(next) || !next.Before(end)) {
			if !n.pass(time.Until(at[0])) {
				return
			}
			ends[0]()
			at, ends = at[1:], ends[1:]
			continue
		}
		if !n.pass(time.Until(next)) {
			return
		}
		if next.Before(end) {
			n.strike(d, kill, after)
		}
		next = next.Add(time.Second + d.upTo(8*time.Second))
	}
}

// strike lets one thing happen, and its end after a while.
func (n *Network) strike(d dice, kill func(cluster.HubID), after func(time.Duration, func())) {
	hubs := n.alive()
	what, lasts := d.IntN(10), d.upTo(9*time.Second)
	one, two, shard := d.Uint64(), d.Uint64(), d.Uint64() // drawn whatever happens
	if len(hubs) == 0 {
		return
	}
	a := hubs[one%uint64(len(hubs))].id
	b := hubs[two%uint64(len(hubs))].id
	switch {
	case what < 2:
		n.Freeze(a)
		after(lasts, func() { n.Thaw(a) })
	case what < 4:
		n.Isolate(a)
		after(lasts, func() { n.Join(a) })
	case what < 6:
		lasts = lasts * 15 / 9
		n.Cut(a, b)
		after(lasts, func() { n.Mend(a, b) })
		if what == 5 {
			n.Cut(b, a)
			after(lasts, func() { n.Mend(b, a) })
		}
	case what < 9 || kill == nil || len(hubs) <= 2:
		n.Elect(int(shard%uint64(n.shards)), 4*time.Second+lasts*5/9)
	default:
		kill(a)
	}
}
