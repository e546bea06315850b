package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/hubfile"
	"github.com/lectern-go/lectern/internal/machine"
)

// perform does the task, and writes its figures.
func perform(encoded string) error {
	var t task
	if err := json.Unmarshal([]byte(encoded), &t); err != nil {
		return err
	}
	do := t.export
	if t.Restore {
		do = t.restore
	}
	f, err := do()
	if err != nil {
		return err
	}
	if f.PeakRSS, err = machine.Memory(os.Getpid(), "VmHWM"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// policy is without bounds for what this measures, and keeps everybody who is away.
func policy() lectern.Policy {
	none := lectern.RateLimit{PerSecond: -1}
	return lectern.Policy{
		MasterTimeout: time.Hour, SlaveTimeout: time.Hour, MaxSlaves: -1, MaxChannels: -1, MaxChannelsPerConnection: -1,
		FrameRate: none, SlaveMessageRate: none, MembershipRate: none,
	}
}

func (t task) export() (f figures, err error) {
	hub, err := lectern.NewHub(policy())
	if err != nil {
		return f, err
	}
	base := collected()
	if err := t.Content.fill(hub); err != nil {
		return f, err
	}
	if err := hub.Shutdown(context.Background()); err != nil {
		return f, err
	}
	held := collected()
	f.Held = held - base
	err = f.watch(base, func() error { return hubfile.Save(t.Path, hub) })
	if err != nil {
		return f, err
	}
	info, err := os.Stat(t.Path)
	if err != nil {
		return f, err
	}
	f.File = info.Size()
	runtime.KeepAlive(hub)
	return f, nil
}

func (t task) restore() (f figures, err error) {
	info, err := os.Stat(t.Path)
	if err != nil {
		return f, err
	}
	f.File = info.Size()
	hub, err := lectern.NewHub(policy())
	if err != nil {
		return f, err
	}
	base := collected()
	err = f.watch(base, func() error {
		restored, err := hubfile.Load(t.Path, hub)
		if err == nil && !restored {
			err = errors.New("there is no file")
		}
		return err
	})
	if err != nil {
		return f, err
	}
	f.Held = collected() - base
	return f, hub.Close()
}

// fill has everybody enter, and be away then, so that what is measured is the hub's.
func (c content) fill(hub *lectern.Hub) error {
	ctx := context.Background()
	options := lectern.ClientOptions{Inbox: lectern.QueueLimit{Messages: 1}}
	masters := lectern.NewClient(hub, options)
	var all []*lectern.Master
	for i := range c.Channels {
		master, err := masters.Create(ctx, channel(i), "master")
		if err != nil {
			return err
		}
		all = append(all, master)
	}
	// A client has one seat in a channel.
	for k := range c.Slaves {
		client := lectern.NewClient(hub, options)
		for i := range c.Channels {
			if _, err := client.Join(ctx, channel(i), fmt.Sprint("slave ", k)); err != nil {
				return err
			}
		}
		if _, err := client.Detach(ctx); err != nil {
			return err
		}
	}
	payload := lectern.Text(strings.Repeat("x", c.Bytes))
	for _, master := range all {
		for range c.Messages {
			if _, err := master.Broadcast(ctx, payload); err != nil {
				return err
			}
		}
	}
	_, err := masters.Detach(ctx)
	return err
}

func channel(i int) string { return fmt.Sprint("channel ", i) }

// watch does it, and notes the time, the most that was on the heap beside base, and what was
// asked for.
func (f *figures) watch(base uint64, do func() error) error {
	var err error
	if f.RSS, err = machine.Memory(os.Getpid(), "VmRSS"); err != nil {
		return err
	}
	var watching sync.WaitGroup
	done := make(chan struct{})
	watching.Go(func() {
		for {
			f.Peak = max(f.Peak, heap()-base)
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	before := allocated()
	began := time.Now()
	err = do()
	f.Time = time.Since(began)
	f.Allocated = allocated() - before
	close(done)
	watching.Wait()
	return err
}

// collected is what is on the heap once everything else is collected, and given back to the
// system.
func collected() uint64 {
	runtime.GC()
	runtime.GC() // what a sync.Pool holds survives the first
	debug.FreeOSMemory()
	return heap()
}

func heap() uint64 { return read("/memory/classes/heap/objects:bytes") }

func allocated() uint64 { return read("/gc/heap/allocs:bytes") }

func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
