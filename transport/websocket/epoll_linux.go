package websocket

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// An epoll is an instance of the system's epoll, with the connections in it. The
// poller's lock covers it, but for its methods add, wait and stop.
type epoll struct {
	// file wraps the descriptor in non-blocking mode: so it is the runtime that
	// waits for it, and no thread.
	file *os.File
	raw  syscall.RawConn
	crew *crew
	used int
	// events and ready are what the last waiting has found. They belong to who
	// waits.
	events [128]syscall.EpollEvent
	ready  []*serving
	// slots are the connections by the number that the system knows them by. A
	// slot that is used again has another generation, so that an event from
	// before is not taken for one of its present connection.
	slots []slot
	free  []uint32
}

type slot struct {
	serving    *serving
	generation int32
}

// edgeTriggered is syscall.EPOLLET as a field of an event has it.
const edgeTriggered = 1 << 31

func newEpoll() (*epoll, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	e := &epoll{file: os.NewFile(uintptr(fd), "epoll")}
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
func (e *epoll) stop() {
	_ = e.file.Close()
	e.crew.stop()
}

// take gives the serving a slot, and returns what the system is to know it by.
func (e *epoll) take(s *serving) (number, generation int32) {
	if last := len(e.free) - 1; last >= 0 {
		s.polled.slot = e.free[last]
		e.free = e.free[:last]
	} else {
		s.polled.slot = uint32(len(e.slots))
		e.slots = append(e.slots, slot{})
	}
	s.polled.epoll, s.polled.watched = e, true
	e.used++
	taken := &e.slots[s.polled.slot]
	taken.serving = s
	return int32(s.polled.slot), taken.generation
}

func (e *epoll) release(number uint32) {
	e.slots[number] = slot{generation: e.slots[number].generation + 1}
	e.free = append(e.free, number)
	e.used--
}

// find returns the serving that an event is for, or nil where it is gone.
func (e *epoll) find(number, generation int32) *serving {
	if found := e.slots[number]; found.generation == generation {
		return found.serving
	}
	return nil
}

// add has the system tell of the serving, until its descriptor is closed. Neither descriptor can
// be closed, and so become another one, meanwhile.
func (e *epoll) add(s *serving, event *syscall.EpollEvent) error {
	var failed error
	err := e.raw.Control(func(epoll uintptr) {
		err := s.conn.socket.ahead.raw.Control(func(fd uintptr) {
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
func (e *epoll) wait(events []syscall.EpollEvent) (n int, err error) {
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
