package natscluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// watch keeps what State tells, a shard a second.
func (e *Engine) watch() {
	for i := 0; ; i++ {
		s := e.shards[i%len(e.shards)]
		ctx, cancel := context.WithTimeout(e.ctx, time.Second)
		_ = e.measure(ctx, s) // an answer that does not come is not one that is wrong
		var info streamInfo
		if err := e.api(ctx, "STREAM.INFO."+s.name, struct{}{}, &info); err == nil && info.Error == nil {
			s.learn(info, e.options)
		} else if e.ctx.Err() == nil {
			s.mu.Lock()
			s.leader = ""
			s.mu.Unlock()
		}
		cancel()
		if i+1 < len(e.shards) {
			continue // all of them once, at first
		}
		if e.pause(e.ctx, time.Second) != nil {
			return
		}
	}
}

// place is who has a shard.
type place struct {
	shard    *shard
	leader   string
	replicas []string // others that are up to date
}

// Balance spreads the leaders of the shards over the servers: after a server has started again it leads nothing, and
// the death of one that leads most shards stops most channels for some seconds. A shard whose leader moves
// stands still for up to 0.3 seconds; they move one after the other. It needs the permission to step leaders down
// (BalancePermissions), and is for an operator: once is enough for all hubs.
func (e *Engine) Balance(ctx context.Context) error {
	for range 2 * len(e.shards) { // one moves each time
		places, err := e.places(ctx)
		if err != nil {
			return err
		}
		move, to := unbalanced(places)
		if move == nil {
			return nil
		}
		if err := e.stepDown(ctx, move.shard, move.leader, to); err != nil {
			return err
		}
	}
	return errors.New("natscluster: the leaders do not stay where they are put")
}

func (e *Engine) places(ctx context.Context) (places []place, err error) {
	for _, s := range e.shards {
		info, err := e.info(ctx, s)
		if err != nil {
			return nil, err
		}
		if info.Cluster == nil {
			return nil, nil // a single server
		}
		p := place{shard: s, leader: info.Cluster.Leader}
		for _, r := range info.Cluster.Replicas {
			if r.Current {
				p.replicas = append(p.replicas, r.Name)
			}
		}
		places = append(places, p)
	}
	return places, nil
}

// info asks for a stream that has a leader.
func (e *Engine) info(ctx context.Context, s *shard) (info streamInfo, err error) {
	for {
		info = streamInfo{}
		if err = e.api(ctx, "STREAM.INFO."+s.name, struct{}{}, &info); err == nil && info.Error == nil && (info.Cluster == nil || info.Cluster.Leader != "") {
			s.learn(info, e.options)
			return info, nil
		}
		if err := e.pause(ctx, askAgain); err != nil {
			return info, fmt.Errorf("natscluster: the stream %s has no leader: %w", s.name, err)
		}
	}
}

// unbalanced finds a shard whose leader has two more than another server that could lead it.
func unbalanced(places []place) (move *place, to string) {
	leads := make(map[string]int)
	for _, p := range places {
		leads[p.leader]++
		for _, r := range p.replicas {
			leads[r] += 0
		}
	}
	least := func(names []string) string {
		return slices.MinFunc(names, func(a, b string) int { return leads[a] - leads[b] })
	}
	for _, from := range slices.SortedFunc(maps.Keys(leads), func(a, b string) int { return leads[b] - leads[a] }) {
		for i, p := range places {
			if p.leader != from || len(p.replicas) == 0 {
				continue
			}
			if to := least(p.replicas); leads[to]+1 < leads[from] {
				return &places[i], to
			}
		}
	}
	return nil, ""
}

// stepDown moves a shard's leader, and returns when it has another.
func (e *Engine) stepDown(ctx context.Context, s *shard, from, to string) error {
	request := map[string]any{"placement": map[string]any{"preferred": to}}
	var answer struct {
		Error   *apiError `json:"error"`
		Success bool      `json:"success"`
	}
	if err := e.api(ctx, "STREAM.LEADER.STEPDOWN."+s.name, request, &answer); err != nil {
		return fmt.Errorf("natscluster: the leader of %s does not step down (may this user ask for that?): %w", s.name, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("natscluster: the leader of %s does not step down: %w", s.name, answer.Error)
	}
	for {
		info, err := e.info(ctx, s)
		if err != nil || info.Cluster.Leader != from {
			return err
		}
		if err := e.pause(ctx, askAgain); err != nil {
			return err
		}
	}
}
