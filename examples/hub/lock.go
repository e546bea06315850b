package main

import (
	"errors"
	"os"
	"sync"
)

// errLocked: another process holds the lock.
var errLocked = errors.New("another process holds the lock")

// A fileLock is a file that one process at a time holds. The system lets go of it when
// the process ends, however that is.
type fileLock struct {
	file *os.File
	once sync.Once
}

// lockFile makes the file where it is missing, and locks it without waiting.
func lockFile(path string) (*fileLock, error) {
	for {
		file, err := openLocked(path)
		if err != nil {
			return nil, err
		}
		// The one that held it before may have removed the file since it was opened.
		held, err := file.Stat()
		if err == nil {
			var there os.FileInfo
			if there, err = os.Stat(path); err == nil && os.SameFile(held, there) {
				return &fileLock{file: file}, nil
			}
		}
		file.Close()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
}

// release removes the file and lets go of it.
func (l *fileLock) release() {
	l.once.Do(func() { removeLocked(l.file) })
}
