//go:build unix

package hubfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// syncDirectory has the change of a name reach the disk. Where directories cannot be synced,
// as on some file systems, or this one cannot be opened, there is nothing to do: the name has
// been changed, and a hub must not be given up for that.
func syncDirectory(path string) error {
	directory, err := os.Open(filepath.Dir(path))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer directory.Close()
	if err := directory.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
