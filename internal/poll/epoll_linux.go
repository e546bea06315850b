package poll

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// An epoll is an instance of the system's epoll, with the connections in it. The
// poller's lock covers it, but for its methods add, wait and stop.
type epoll[W Waiter] struct {
	// file wraps the descriptor in non-blocking mode: so it is the runtime that
	// waits for it, and no thread.
	file *os.File
	raw  syscall.RawConn
	crew *crew[W]
	used int
	// events and ready are what the last waiting has found. They belong to who
	// waits.
	events [128]syscall.EpollEvent
	ready  []*Entry[W]
	// slots are the connections by the number that the system knows them by. A
	// slot that is used again has another generation, so that an event from
	// before is not taken for one of its present connection.
	slots []slot[W]
	free  []uint32
}

type slot[W Waiter] struct {
	entry      *Entry[W]
	generation int32
}

// edgeTriggered is syscall.EPOLLET as a field of an event has it.
const edgeTriggered = 1 << 31

func newEpoll[W Waiter]() (*epoll[W], error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	e := &epoll[W]{file: os.NewFile(uintptr(fd), "epoll")}
	e.raw, err = e.file.SyscallConn()
	if err == nil {
		// It fails where the runtime does not wait for the file.
		err = e.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = e.file.Close()
		return nil, err
	}
	return e, nil
}

// stop ends the waiting, and returns when nobody waits any more.
func (e *epoll[W]) stop() {
	_ = e.file.Close()
	e.crew.stop()
}

// take gives the entry a slot, and returns what the system is to know it by.
func (e *epoll[W]) take(s *Entry[W]) (number, generation int32) {
	if last := len(e.free) - 1; last >= 0 {
		s.slot = e.free[last]
		e.free = e.free[:last]
	} else {
		s.slot = uint32(len(e.slots))
		e.slots = append(e.slots, slot[W]{})
	}
	s.epoll, s.watched = e, true
	e.used++
	taken := &e.slots[s.slot]
	taken.entry = s
	return int32(s.slot), taken.generation
}

func (e *epoll[W]) release(number uint32) {
	e.slots[number] = slot[W]{generation: e.slots[number].generation + 1}
	e.free = append(e.free, number)
	e.used--
}

// find returns the entry that an event is for, or nil where it is gone.
func (e *epoll[W]) find(number, generation int32) *Entry[W] {
	if found := e.slots[number]; found.generation == generation {
		return found.entry
	}
	return nil
}

// add has the system tell of the connection, until its descriptor is closed. Neither descriptor can
// be closed, and so become another one, meanwhile.
func (e *epoll[W]) add(s *Entry[W], event *syscall.EpollEvent) error {
	var failed error
	err := e.raw.Control(func(epoll uintptr) {
		err := s.waiter.Raw().Control(func(fd uintptr) {
			failed = syscall.EpollCtl(int(epoll), syscall.EPOLL_CTL_ADD, int(fd), event)
		})
		if err != nil {
			failed = err
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// wait returns how many events there are, when there are some or the file's
// deadline has passed.
func (e *epoll[W]) wait(events []syscall.EpollEvent) (n int, err error) {
	look := func(fd uintptr) bool {
		n, err = syscall.EpollWait(int(fd), events, 0)
		for err == syscall.EINTR {
			n, err = syscall.EpollWait(int(fd), events, 0)
		}
		return n > 0
	}
	err = e.raw.Read(look)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = e.raw.Control(func(fd uintptr) { look(fd) }) // it has not looked
	}
	return max(n, 0), err
}
