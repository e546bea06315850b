package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// programs are those that were started and have not ended.
type programs struct {
	mu      sync.Mutex
	running []*program
}

type program struct {
	*exec.Cmd
	name string
	out  output
	done chan struct{} // closed when it has ended, with err
	err  error
}

// An output keeps what a program prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts a program, with sockets that it has from 3 on.
func (all *programs) start(name, folder string, arguments []string, sockets ...*os.File) (*program, error) {
	p := &program{Cmd: exec.Command(arguments[0], arguments[1:]...), name: name, done: make(chan struct{})}
	p.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	p.Stdout, p.Stderr, p.ExtraFiles = &p.out, &p.out, sockets
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.Wait()
		close(p.done)
	}()
	all.mu.Lock()
	defer all.mu.Unlock()
	all.running = append(all.running, p)
	return p, nil
}

// startHub does what the README tells, but builds the program first, so that it can be
// told to end.
func (all *programs) startHub(ctx context.Context, folder string) (*program, error) {
	binary := filepath.Join(folder, "hub")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./examples/hub")
	build.Dir, build.Stderr = root, os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("building the hub: %w", err)
	}
	_, flags, _ := strings.Cut(hubCommand, "./examples/hub ")
	fmt.Println(hubCommand)
	hub, err := all.start("hub", folder, append([]string{binary}, strings.Fields(flags)...))
	if err != nil {
		return nil, err
	}
	late := time.After(patience)
	for !strings.Contains(hub.out.String(), "ws ws://"+hubAddress) {
		select {
		case <-hub.done:
			return nil, fmt.Errorf("the hub does not start: %w", hub.err)
		case <-late:
			return nil, errors.New("the hub does not say that it listens")
		case <-time.After(10 * time.Millisecond):
		}
	}
	return hub, nil
}

// startProxy runs a proxy with its block.
func (all *programs) startProxy(_ context.Context, p proxy, folder, block string) error {
	folder = filepath.Join(folder, p.block)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	file := filepath.Join(folder, "block")
	if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
		return err
	}
	command, err := p.command(folder, file)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(command, " "))
	_, err = all.start(p.name, folder, command)
	return err
}

// wait waits until the program has ended by itself.
func (all *programs) wait(p *program) error {
	select {
	case <-p.done:
	case <-time.After(patience):
		return errors.New("it does not end")
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.running = slices.DeleteFunc(all.running, func(other *program) bool { return other == p })
	return p.err
}

// end ends what still runs.
func (all *programs) end() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, p := range all.running {
		_ = p.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(patience):
			_ = p.Process.Kill()
			<-p.done
		}
	}
}

// show prints what the programs have printed.
func (all *programs) show(w io.Writer) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, p := range all.running {
		fmt.Fprintf(w, "--- %s\n%s", p.name, p.out.String())
	}
}

// awaitHub returns when a request through the proxy gets as far as a handler of
// WebSocket, which says that it wants an upgrade.
func (p proxy) awaitHub(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last := ""
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address()+"/ws", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusUpgradeRequired {
				return nil
			}
			last = answer.Status
		} else if ctx.Err() == nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the hub is never reached: %s", last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
