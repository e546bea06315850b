package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// scriptedName is the channel whose master is in JavaScript.
const scriptedName = "scripted"

// script is the program in JavaScript with some of the members.
type script struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	calmed chan struct{}
	ended  chan struct{}
}

// told is a line of what it tells.
type told struct {
	Name   string
	Ready  bool
	Calm   bool
	Got    [][2]any // text, milliseconds of Unix time
	Sent   int
	Failed string
	Code   string
	Text   string
	Ended  string
	At     float64
}

// startScript returns when all of its members have entered.
func startScript(c *class, members []*member) (*script, error) {
	configuration := struct {
		URL      string   `json:"url"`
		Channel  string   `json:"channel"`
		Scripted string   `json:"scripted"`
		Names    []string `json:"names"`
	}{URL: "ws://" + c.place.ws, Channel: channelName, Scripted: scriptedName}
	byName := make(map[string]*member)
	for _, m := range members {
		configuration.Names = append(configuration.Names, m.name)
		byName[m.name] = m
	}
	byName["scripted master"] = &member{name: "scripted master"}
	encoded, err := json.Marshal(configuration)
	if err != nil {
		return nil, err
	}
	s := &script{calmed: make(chan struct{}), ended: make(chan struct{})}
	// Node 20 has a WebSocket behind this flag, and later ones take the flag.
	s.cmd = exec.Command("node", "--experimental-websocket", "restart/members.mjs", string(encoded))
	s.cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: Node 20 or newer is needed", err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	if !lines.Scan() {
		return nil, errors.Join(errors.New("the members in JavaScript have not entered"), s.cmd.Wait())
	}
	go func() {
		defer close(s.ended)
		for lines.Scan() {
			var line told
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				c.counts.add(letGo, fmt.Errorf("JavaScript tells %q: %w", lines.Text(), err))
				continue
			}
			if line.Calm {
				close(s.calmed)
				continue
			}
			c.fromScript(byName[line.Name], &line)
		}
	}()
	return s, nil
}

func (c *class) fromScript(m *member, line *told) {
	at := func(milliseconds float64) time.Time { return time.UnixMicro(int64(milliseconds * 1000)) }
	for _, arrival := range line.Got {
		text, _ := arrival[0].(string)
		when, _ := arrival[1].(float64)
		c.taken(m, text, at(when))
	}
	if line.Sent > 0 {
		if m.name == "scripted master" {
			c.scripted.acceptedTo(line.Sent)
		} else {
			m.up.acceptedTo(line.Sent)
		}
	}
	if line.Ended != "" {
		c.over(m, line.Ended, at(line.At))
	}
	name, ok := map[string]string{
		"": "", "dial": dialsRefused, "gap": gaps, "unanswered": unanswered, "twice": askedTwice,
	}[line.Failed]
	switch {
	case ok:
	case line.Code == "busy":
		name = busy
	default:
		name = sendsRefused
	}
	if name != "" {
		c.counts.add(name, fmt.Errorf("%s: %s", line.Name, line.Text))
	}
}

func (s *script) say(line string) { _, _ = fmt.Fprintln(s.in, line) }

// calm waits until nothing is under way any more.
func (s *script) calm() {
	s.say("calm")
	select {
	case <-s.calmed:
	case <-s.ended:
	case <-time.After(patience):
	}
}

func (s *script) end() {
	_ = s.in.Close()
	killer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer killer.Stop()
	<-s.ended
	_ = s.cmd.Wait()
}
