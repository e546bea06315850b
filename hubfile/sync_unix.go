//go:build unix

package hubfile

import (
	"os"
	"path/filepath"
)

// syncDirectory has the change of a name reach the disk.
func syncDirectory(path string) error {
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}
