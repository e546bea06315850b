//go:build linux

package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// million measures a channel of a million slaves: the rules by themselves, and then three hubs on the engine of one process, whose
// master comes back at one after the other.
func million(ctx context.Context, r *report) error {
	members := size(r, 1_000_000, 2000)
	if err := alone(r, members); err != nil {
		return err
	}
	debug.FreeOSMemory()
	in, err := r.openInside(false)
	if err != nil {
		return err
	}
	defer in.close()
	began := time.Now()
	took, err := in.roam(ctx, members, 3, func(ctx context.Context, c *lectern.Client) error {
		_, err := c.Detach(ctx)
		return err
	})
	if err != nil {
		return err
	}
	all := time.Since(began)
	r.judged(fmt.Sprintf("a master comes back at another hub, %s members who are away, the engine in the process (3 times), p50 / max", thousands(members)), "≤ 2 s",
		fmt.Sprintf("%s / %s", ms(took.at(.5)), ms(took.max())), took.max() <= 2*time.Second)
	r.told("the same: with joining and going, in the process of the hubs", ms(all))
	return nil
}

// quiet is a connection without any bound.
type quiet struct{ number uint64 }

func (q quiet) Connection() uint64                  { return q.number }
func (quiet) Form() wire.Form                       { return wire.Binary }
func (quiet) Full(int, star.Load) bool              { return false }
func (quiet) NoticeFull(int) bool                   { return false }
func (quiet) Behind(int, star.Load, star.Load) bool { return true } // it is told of nobody by himself
func (quiet) Waiting() (messages, bytes int)        { return 0, 0 }
func (quiet) Unwritten(star.Load) int               { return 0 }

func secret(text string) star.Secret { return star.Secret{Text: text, Hash: star.HashOf(text)} }

// alone measures the rules by themselves.
func alone(r *report, members int) error {
	limits := &star.Limits{MasterTimeout: time.Minute, SlaveTimeout: time.Minute, MaxSlaves: members, Replay: star.Bound{Messages: 256, Bytes: 1 << 20}, Outbox: star.Bound{Messages: 1 << 20, Bytes: 1 << 30}}
	hub := &star.Hub{1}
	now := time.Now()
	base := heap()
	c := star.New("room", limits)
	c.Record(true)
	var effects []star.Effect
	var records []star.Record
	var bytes int
	take := func() {
		effects = c.TakeEffects(effects[:0])
		for i := range effects {
			if effects[i].Kind == star.Keep {
				record := effects[i].Record()
				bytes += len(effects[i].Text)
				records = append(records, record)
			}
		}
	}
	entry := func(i int) star.Entry {
		return star.Entry{Ref: 1, Instance: star.HashOf("instance " + strconv.Itoa(i)), Secret: secret("secret " + strconv.Itoa(i))}
	}
	if err := c.Create(now, &star.Attachment{Line: quiet{1}, Hub: hub}, entry(0), masterName, 0); err != nil {
		return err
	}
	began := time.Now()
	for i := 1; i <= members; i++ {
		if err := c.Join(now, &star.Attachment{Line: quiet{uint64(i + 1)}, Hub: hub}, entry(i), "student "+strconv.Itoa(i), ""); err != nil {
			return err
		}
		if i%1024 == 0 {
			take()
		}
	}
	take()
	joined := time.Since(began)
	r.told(fmt.Sprintf("%s joins in the rules, by themselves", thousands(members)), fmt.Sprintf("%s, %s a second; records of %d bytes each", ms(joined), thousands(perSecond(members, joined)), bytes/members))

	began = time.Now()
	applied := star.New("room", limits)
	for _, record := range records {
		if err := applied.Apply(record); err != nil {
			return err
		}
	}
	took := time.Since(began)
	if applied.Size() == 0 {
		return fmt.Errorf("nobody is in the channel that was applied")
	}
	r.told("their records applied to another channel", fmt.Sprintf("%s, %s a second", ms(took), thousands(perSecond(members, took))))
	records, effects, applied = nil, nil, nil
	held := heap() - base
	r.told("memory of a member in the rules, its attachment included", fmt.Sprintf("%.0f bytes", float64(held)/float64(members)))

	var parts [][]byte
	size, longest := 0, 0
	began = time.Now()
	c.Parts(make([]byte, 0, star.PartSize), func(part []byte) bool {
		parts = append(parts, append([]byte(nil), part...))
		size += len(part)
		longest = max(longest, len(part))
		return true
	})
	took = time.Since(began)
	r.told("a snapshot of it, taken in one go", fmt.Sprintf("%s, %.0f MB in %s parts, %d bytes a member", ms(took), float64(size)/1e6, thousands(len(parts)), size/members))
	runtime.KeepAlive(c)

	began = time.Now()
	restoring := star.NewImport(limits, 64<<10, 0)
	restoring.Elsewhere()
	for _, part := range parts {
		if err := restoring.Add(part); err != nil {
			return err
		}
	}
	restored, err := restoring.Finish()
	if err != nil {
		return err
	}
	took = time.Since(began)
	if restored.Size() == 0 {
		return fmt.Errorf("nobody is in the channel that was restored")
	}
	r.told("restored from that", fmt.Sprintf("%s, %s members a second", ms(took), thousands(perSecond(members, took))))
	return nil
}

// heap is what is on the heap once everything else is collected.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
