//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package hubfile

import "os"

// openLocked opens the file. Nothing is locked here: two that are started in one instant
// may both have it.
func openLocked(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

// removeLocked leaves the file where it is, since another process may have it too.
func removeLocked(file *os.File) { _ = file.Close() }
