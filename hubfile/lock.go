package hubfile

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrLocked says that another process has the lock.
var ErrLocked = errors.New("another process has the lock")

// Lock has what is at that path for this process alone, until unlock is called or the process
// ends, however it does. Of two programs that are started with one file, or while the other has
// not saved yet, the second gets an error that matches ErrLocked, at once. The lock is a file
// beside it, with the name path + ".lock". Where a system has no such locks, nothing is locked:
// see lock_other.go.
func Lock(path string) (unlock func(), err error) {
	path += ".lock"
	for {
		file, err := openLocked(path)
		if err != nil {
			return nil, fmt.Errorf("the lock %s: %w", path, err)
		}
		// The one that held it before may have removed the file since it was opened.
		held, err := file.Stat()
		if err == nil {
			var there os.FileInfo
			if there, err = os.Stat(path); err == nil && os.SameFile(held, there) {
				return sync.OnceFunc(func() { removeLocked(file) }), nil
			}
		}
		file.Close()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("the lock %s: %w", path, err)
		}
	}
}
