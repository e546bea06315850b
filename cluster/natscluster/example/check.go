package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// errFailed: something was lost, doubled, out of order or evicted. It was told.
var errFailed = errors.New("the check has failed")

const (
	calmFor    = 3 * time.Second
	restFor    = 2 * time.Second // between one hub of the rolling restart and the next
	settleFor  = 3 * time.Second
	settleTime = 20 * time.Second // at most
)

// A scene is something that happens to the cluster.
type scene struct {
	name string
	play func(context.Context, *laptop) (what string, err error)
}

var scenes = []scene{
	{"calm", func(ctx context.Context, _ *laptop) (string, error) {
		sleep(ctx, calmFor)
		return fmt.Sprintf("nothing for %v", calmFor), nil
	}},
	{"kill", func(ctx context.Context, l *laptop) (string, error) {
		p, owns := l.busiest(ctx)
		if err := p.Kill(); err != nil {
			return "", err
		}
		sleep(ctx, 4*time.Second)
		return fmt.Sprintf("%s, which owns %d channels, is killed and started again after 4s", p.name, owns), p.Start()
	}},
	{"freeze", frozenFor(time.Second)},
	{"freeze", frozenFor(6 * time.Second)},
	{"cut", func(ctx context.Context, l *laptop) (string, error) {
		p, owns := l.busiest(ctx)
		p.network.Cut()
		sleep(ctx, 4*time.Second)
		p.network.Mend()
		return fmt.Sprintf("%s, which owns %d channels, is cut off from NATS for 4s", p.name, owns), nil
	}},
	{"rolling restart", func(ctx context.Context, l *laptop) (string, error) {
		began := time.Now()
		for _, p := range l.hubs {
			if err := p.Stop(); err != nil {
				return "", err
			}
			if err := p.Start(); err != nil {
				return "", err
			}
			sleep(ctx, restFor)
		}
		return fmt.Sprintf("each hub in turn is stopped and started again, %.1fs in all", time.Since(began).Seconds()), nil
	}},
}

// scenesNamed are those of a list of names, in its order, or all where it is empty.
func scenesNamed(list string) (named []scene, err error) {
	if list == "" {
		return scenes, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		before := len(named)
		for _, s := range scenes {
			if s.name == name {
				named = append(named, s)
			}
		}
		if len(named) == before {
			return nil, fmt.Errorf("there is no scene %q", name)
		}
	}
	return named, nil
}

func frozenFor(d time.Duration) func(context.Context, *laptop) (string, error) {
	return func(ctx context.Context, l *laptop) (string, error) {
		if !canFreeze {
			return "skipped: this system does not stop processes", nil
		}
		p, owns := l.busiest(ctx)
		if err := p.Freeze(); err != nil {
			return "", err
		}
		sleep(ctx, d)
		return fmt.Sprintf("%s, which owns %d channels, is frozen for %v", p.name, owns, d), p.Thaw()
	}
}

// check plays the scenes against classes, and tells what becomes of what is sent.
func check(ctx context.Context, l *laptop, classes, slaves int, scenes []scene, out io.Writer) error {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	hearing, end := context.WithCancel(ctx)
	defer end()
	t, err := startClasses(sending, hearing, classes, slaves, l.dialer)
	defer t.close()
	defer end()
	defer stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d hubs, %d channels of a master and %d slaves each, %d subscriptions at NATS\n",
		len(l.hubs), classes, slaves, l.servers.Node(0).NumSubscriptions())
	began := time.Now()
	for _, s := range scenes {
		sleep(ctx, settleFor)
		t.takePause()
		what, err := s.play(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		missing, most, quiet := t.settle(ctx, settleTime, true)
		pause, whose := t.takePause()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(out, "%5.1fs %-15s %s: the longest pause of a slave was %.2fs%s\n", time.Since(began).Seconds(), s.name, what, pause.Seconds(), of(whose))
		if missing > 0 {
			fmt.Fprintf(out, "%22s %d messages have not arrived%s\n", "", missing, of(most))
		}
		if quiet > 0 {
			t.strange.Add(uint64(quiet))
			fmt.Fprintf(out, "%22s %d members hear nothing any more\n", "", quiet)
		}
	}
	stop()
	t.sending.Wait()
	missing, most, _ := t.settle(ctx, settleTime, false)
	t.lost.Store(missing)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	fmt.Fprintf(out, "%d messages were acknowledged and heard %d times; %d were refused at first; %d gaps were told of\n",
		t.sent.Load(), t.received.Load(), t.refused.Load(), t.gaps.Load())
	fmt.Fprintf(out, "lost %d%s, doubled %d, out of order %d, evicted %d, else %d\n", missing, of(most), t.doubled.Load(), t.disordered.Load(), t.evicted.Load(), t.strange.Load())
	return t.verdict(out)
}

// of tells whose something is.
func of(m *member) string {
	if m == nil {
		return ""
	}
	return fmt.Sprintf(" (%s of %s)", m.name, m.class.name)
}

// verdict is nil where all is as it should be, and otherwise tells what is not.
func (t *tally) verdict(out io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, fault := range t.told {
		fmt.Fprintln(out, "  !", fault)
	}
	if t.lost.Load()+t.doubled.Load()+t.disordered.Load()+t.evicted.Load()+t.strange.Load() == 0 {
		return nil
	}
	return errFailed
}
