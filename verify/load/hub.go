package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/machine"
	"github.com/lectern-go/lectern/transport/websocket"
)

// hubVariable is the environment variable that makes the program the hub. Its
// value are the settings.
const hubVariable = "LECTERN_LOAD_HUB"

// settings are what a scenario changes of the hub's policy and server. Zero is
// the default, as in lectern.Policy.
type settings struct {
	MasterTimeout     time.Duration
	SlaveTimeout      time.Duration
	HandshakeTimeout  time.Duration
	ReadHeaderTimeout time.Duration
}

func (s settings) policy() lectern.Policy {
	return lectern.Policy{
		MasterTimeout: s.MasterTimeout, SlaveTimeout: s.SlaveTimeout, HandshakeTimeout: s.HandshakeTimeout,
	}
}

// stats are the hub process's own.
type stats struct {
	Goroutines  int
	Descriptors int
	// CPU is the time of processors that it has used.
	CPU time.Duration
	// Heap counts the objects that the collector has not freed yet.
	Heap uint64
	// RSS is what the process has in memory.
	RSS uint64
	// The highest seen since the process began; Heap and Descriptors are looked
	// at every few milliseconds.
	PeakHeap        uint64
	PeakRSS         uint64
	PeakDescriptors int
}

// runHub serves a hub on loopback, and answers commands on its standard input,
// one a line, until that ends: "stats", and "gc", which collects garbage first.
func runHub(encoded string) error {
	var s settings
	if err := json.Unmarshal([]byte(encoded), &s); err != nil {
		return err
	}
	hub, err := lectern.NewHub(s.policy())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	header := s.ReadHeaderTimeout
	if header == 0 {
		header = 5 * time.Second
	}
	server := &http.Server{Handler: websocket.NewHandler(hub, websocket.Options{}), ReadHeaderTimeout: header}
	var p peaks
	go p.watch()
	go func() { _ = server.Serve(listener) }()
	fmt.Println(listener.Addr())

	answers := json.NewEncoder(os.Stdout)
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		if commands.Text() == "gc" {
			// Twice: what a sync.Pool holds survives the first.
			runtime.GC()
			runtime.GC()
			debug.FreeOSMemory()
		}
		if err := answers.Encode(p.stats()); err != nil {
			return err
		}
	}
	_ = server.Close()
	return hub.Close()
}

// peaks remembers the highest figures.
type peaks struct {
	mu          sync.Mutex
	heap        uint64
	descriptors int
}

func (p *peaks) watch() {
	var next time.Time
	for {
		heap, open := heapObjects(), 0
		if now := time.Now(); now.After(next) {
			// With many, listing them takes milliseconds, which would be in the
			// figures: a hundredth of the time is enough for it.
			open = openDescriptors()
			next = now.Add(100 * time.Since(now))
		}
		p.mu.Lock()
		p.heap = max(p.heap, heap)
		p.descriptors = max(p.descriptors, open)
		p.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *peaks) stats() stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return stats{
		Goroutines: runtime.NumGoroutine(), Descriptors: openDescriptors(), CPU: machine.OwnTime(),
		Heap: heapObjects(), RSS: ownMemory("VmRSS"),
		PeakHeap: p.heap, PeakRSS: ownMemory("VmHWM"), PeakDescriptors: p.descriptors,
	}
}

func heapObjects() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// listing is held while the descriptors are listed, which takes one itself: nobody
// counts somebody else's.
var listing sync.Mutex

func openDescriptors() int {
	listing.Lock()
	defer listing.Unlock()
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return len(names)
}

func ownMemory(size string) uint64 {
	bytes, _ := machine.Memory(os.Getpid(), size)
	return bytes
}
