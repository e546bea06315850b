//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package hubfile

import (
	"errors"
	"os"
	"syscall"
)

// openLocked opens the file, and fails with ErrLocked where another process has it.
func openLocked(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, err
	}
	return file, nil
}

// removeLocked removes the file and closes it, in this order: closed, it may be another
// process's at once.
func removeLocked(file *os.File) {
	_ = os.Remove(file.Name())
	_ = file.Close()
}
