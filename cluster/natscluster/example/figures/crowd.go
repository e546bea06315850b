//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/process"
	"github.com/lectern-go/lectern/transport/websocket"
)

// crowd measures one channel with thousands of connections at each of three hubs. The connections of each hub are
// held by a process of their own.
func crowd(ctx context.Context, r *report) error {
	s, err := r.openStage()
	if err != nil {
		return err
	}
	defer s.close()
	each, broadcasts := size(r, 6000, 30), size(r, 30, 3)
	room, err := openRoom(ctx, r.name(), s.hubs.dialer(0))
	defer room.close()
	if err != nil {
		return err
	}
	var members []*process.Process
	defer func() {
		for _, p := range members {
			_ = p.Kill()
		}
	}()
	began := time.Now()
	started := make([]*process.Process, len(s.hubs.running))
	failures := make([]error, len(started))
	inParallel(len(started), len(started), func(i int) {
		started[i], failures[i] = startProcess(roleMembers, s.hubs.addresses[i], room.name, strconv.Itoa(i), strconv.Itoa(each))
	})
	for _, p := range started {
		if p != nil {
			members = append(members, p)
		}
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	joined := time.Since(began)
	all := len(members) * each
	sleep(ctx, 2*time.Second)
	var sentAt []int64
	every := size(r, time.Second, 200*time.Millisecond)
	for i := range broadcasts {
		sentAt = append(sentAt, time.Now().UnixNano())
		if _, err := room.master.Broadcast(ctx, lectern.Text(strconv.Itoa(i+1))); err != nil {
			return err
		}
		sleep(ctx, every)
	}
	sleep(ctx, 2*time.Second)
	var last, local times
	var heard, twice int
	for i, p := range members {
		var h heardBy
		if err := p.Ask("heard", &h); err != nil {
			return err
		}
		heard, twice = heard+h.Count, twice+h.Twice
		for k, at := range h.Last {
			d := time.Duration(at - sentAt[k])
			if i == 0 {
				local = append(local, d)
			}
			if i == 0 {
				last = append(last, d)
			} else {
				last[k] = max(last[k], d)
			}
		}
	}
	lost := all*broadcasts - heard
	r.judged(fmt.Sprintf("%d × %s connections in one channel, %d broadcasts: lost / twice", len(members), thousands(each), broadcasts), "0 / 0", fmt.Sprintf("%d / %d", lost, twice), lost == 0 && twice == 0)
	r.told("they have joined within", fmt.Sprintf("%s, %s a second, their processes' start included", ms(joined), thousands(perSecond(all, joined))))
	r.told("the last of them has a broadcast after, p50 / max", fmt.Sprintf("%s / %s (the last at the owner's hub %s / %s)", ms(last.at(.5)), ms(last.max()), ms(local.at(.5)), ms(local.max())))
	return nil
}

// heardBy is what the members of a process have heard: how many messages in all, how many of them before, and when
// each was heard last, in Unix nanoseconds.
type heardBy struct {
	Count, Twice int
	Last         []int64
}

// runMembers is the program of the members at a hub.
func runMembers(address, channel, number, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	var heard heardBy
	var failed atomic.Pointer[error]
	var hearing sync.WaitGroup
	clients := make([]*lectern.Client, n)
	inParallel(n, 64, func(i int) {
		// What goes over a crowd's connections is one message a second.
		c := lectern.NewClient(websocket.Dialer{URL: "ws://" + address + "/"}, lectern.ClientOptions{Inbox: lectern.QueueLimit{Messages: 64}})
		clients[i] = c
		var slave *lectern.Slave
		if err := patiently(ctx, func() (err error) {
			slave, err = c.Join(ctx, channel, "student "+number+" "+strconv.Itoa(i))
			return err
		}); err != nil {
			failed.CompareAndSwap(nil, &err)
			return
		}
		hearing.Go(func() {
			last := 0
			for event, err := range slave.Events(ctx) {
				now := time.Now().UnixNano()
				message, ok := event.(lectern.Message)
				if err != nil || !ok {
					continue
				}
				k, _ := strconv.Atoi(strings.TrimSpace(message.Text()))
				mu.Lock()
				if heard.Count++; k <= last {
					heard.Twice++
				}
				for len(heard.Last) < k {
					heard.Last = append(heard.Last, 0)
				}
				heard.Last[k-1] = max(heard.Last[k-1], now)
				mu.Unlock()
				last = k
			}
		})
	})
	if err := failed.Load(); err != nil {
		return *err
	}
	fmt.Println("joined")
	err = answer(os.Stdin, os.Stdout, func(string) any {
		mu.Lock()
		defer mu.Unlock()
		return heard
	})
	cancel()
	hearing.Wait()
	return err
}
