// Command proxies tries the blocks of the README's section "Behind a proxy" on the real
// proxies, as they stand there, before examples/hub.
//
//	go run ./proxies [-quiet 2m]
//
// It is run in the folder of its module, and needs nginx, haproxy and caddy. It ends with
// status 1 where something is not as the README says.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	root = ".."
	// hubAddress is where the blocks expect the hub, and className what the README starts
	// it with.
	hubAddress = "127.0.0.1:8080"
	className  = "class.example.com"
	hubCommand = "go run ./examples/hub -ws " + hubAddress + " -host " + className
	// patience bounds each wait for what must come.
	patience = 30 * time.Second
)

// A proxy is one of those that the README has a block for.
type proxy struct {
	name  string
	block string // the language that the README gives the block
	port  string // that the block listens on
	alone int    // what it answers where nobody listens behind it
	// command runs the proxy in the foreground with the block, which is in the file.
	command func(folder, file string) ([]string, error)
}

var proxies = []proxy{
	{"nginx", "nginx", "8001", http.StatusBadGateway, func(folder, file string) ([]string, error) {
		around := filepath.Join(folder, "nginx.conf")
		text := fmt.Sprintf("pid %[1]s/nginx.pid;\nevents { }\nhttp {\n access_log off;\n client_body_temp_path %[1]s/body;\n proxy_temp_path %[1]s/proxy;\n"+
			" fastcgi_temp_path %[1]s/fastcgi;\n uwsgi_temp_path %[1]s/uwsgi;\n scgi_temp_path %[1]s/scgi;\n include %[2]s;\n}\n", folder, file)
		err := os.WriteFile(around, []byte(text), 0o600)
		return []string{"nginx", "-p", folder, "-e", "stderr", "-c", around, "-g", "daemon off;"}, err
	}},
	{"HAProxy", "haproxy", "8002", http.StatusServiceUnavailable, func(_, file string) ([]string, error) { return []string{"haproxy", "-db", "-f", file}, nil }},
	{"Caddy", "caddyfile", "8003", http.StatusBadGateway, func(folder, file string) ([]string, error) {
		// Beside another Caddy on the machine, which has the port for administration.
		around := filepath.Join(folder, "Caddyfile")
		err := os.WriteFile(around, []byte("{\n\tadmin off\n}\nimport "+file+"\n"), 0o600)
		return []string{"caddy", "run", "--adapter", "caddyfile", "--config", around}, err
	}},
}

func main() {
	quiet := flag.Duration("quiet", 2*time.Minute, "how long the classes are quiet for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := try(ctx, *quiet)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxies:", err)
		os.Exit(1)
	}
}

func try(ctx context.Context, quiet time.Duration) (err error) {
	folder, err := os.MkdirTemp("", "proxies")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	blocks, err := readmeBlocks(filepath.Join(root, "README.md"))
	if err != nil {
		return err
	}
	running := new(programs)
	defer func() {
		if err != nil {
			running.show(os.Stderr)
		}
		running.end()
	}()

	hub, err := running.startHub(ctx, folder)
	if err != nil {
		return err
	}
	for _, p := range proxies {
		if err := running.startProxy(ctx, p, folder, blocks[p.block]); err != nil {
			return err
		}
	}
	if err := all(func(p proxy) error { return p.awaitHub(ctx) }); err != nil {
		return err
	}

	// All classes at once, so that their quiet is one.
	classes := make(map[string]*class)
	var mu sync.Mutex
	defer func() {
		for _, c := range classes {
			c.close()
		}
	}()
	err = all(func(p proxy) error {
		c, err := p.meet(ctx, quiet)
		mu.Lock()
		defer mu.Unlock()
		classes[p.name] = c
		return err
	})
	if err != nil {
		return err
	}
	fmt.Println("the hub shuts down")
	if err := hub.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := all(func(p proxy) error { return classes[p.name].expectShutdown() }); err != nil {
		return err
	}
	if err := running.wait(hub); err != nil {
		return fmt.Errorf("the hub: %w", err)
	}

	// Others in its place, one after the other, with a port that stays open.
	if err := running.replace(ctx, folder); err != nil {
		return err
	}

	// And one that looks at where its clients come from.
	end, addresses, err := serveAuthorizing()
	if err != nil {
		return err
	}
	defer end()
	return all(func(p proxy) error { return p.tellsAddress(ctx, addresses) })
}

// all does it for every proxy at the same time, and returns the first error.
func all(do func(proxy) error) error {
	errs := make(chan error, len(proxies))
	for _, p := range proxies {
		go func() {
			err := do(p)
			if err != nil {
				err = fmt.Errorf("behind %s: %w", p.name, err)
			}
			errs <- err
		}()
	}
	var first error
	for range proxies {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// readmeBlocks returns the blocks of the section by their language.
func readmeBlocks(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, section, found := strings.Cut(string(text), "\n## Behind a proxy\n")
	if !found {
		return nil, fmt.Errorf("%s has no section Behind a proxy", path)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	if !strings.Contains(section, "\n"+hubCommand+"\n") {
		return nil, fmt.Errorf("the section does not say how the hub is started: %s", hubCommand)
	}
	blocks := make(map[string]string)
	for {
		_, rest, found := strings.Cut(section, "\n```")
		if !found {
			break
		}
		language, rest, _ := strings.Cut(rest, "\n")
		block, after, closed := strings.Cut(rest, "\n```\n")
		if !closed {
			return nil, fmt.Errorf("a block of the section has no end")
		}
		if _, twice := blocks[language]; twice {
			return nil, fmt.Errorf("the section has two blocks of %s", language)
		}
		blocks[language], section = block+"\n", "\n"+after
	}
	for _, p := range proxies {
		if blocks[p.block] == "" {
			return nil, fmt.Errorf("the section has no block of %s", p.block)
		}
	}
	return blocks, nil
}

func (p proxy) address() string { return net.JoinHostPort("127.0.0.1", p.port) }
