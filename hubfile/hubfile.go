// Package hubfile keeps what a hub has in a file while its process is replaced.
//
// A program that is about to end shuts its hub down and saves it; the one that takes its
// place loads it before it serves:
//
//	if _, err := hubfile.Load("lectern.state", hub); err != nil { … }
//	serve(hub)                   // until SIGTERM
//	err := hub.Shutdown(ctx)
//	err = hubfile.Save("lectern.state", hub)
//
// [Lock] keeps a second process away from it meanwhile, and fails at the start where the file
// could not be written at the end.
//
// A file is loaded once. Load takes it away, so that after a crash, at which nothing is
// saved, what an earlier end has left is not taken for the present.
package hubfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Exporter is a hub that was shut down: a *lectern.Hub.
type Exporter interface {
	Export(w io.Writer) error
}

// Restorer is a new hub: a *lectern.Hub.
type Restorer interface {
	Restore(r io.Reader) error
}

// Save exports the hub to the file of that path, which only this user can read. The file is
// there as a whole or not at all, and one that was there stays until then: what is written goes
// to a temporary file beside it first, which reaches the disk before it is renamed. Where the
// path is a symbolic link, that is so of what it leads to, and the link stays.
func Save(path string, hub Exporter) (err error) {
	if path == "" {
		return errNoPath
	}
	path = target(path)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("saving the hub to %s: it is there, and is no regular file", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("saving the hub to %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
			err = fmt.Errorf("saving the hub to %s: %w", path, err)
		}
	}()
	err = cmp.Or(hub.Export(file), file.Sync())
	if err = cmp.Or(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDirectory(path)
}

// Load restores the hub from the file of that path, and removes the file. It reports false
// where there is none; a folder that is missing is an error. Where the hub cannot be restored,
// which the error says, it is as new and the file stays as it is: the caller decides whether to
// go on without it.
func Load(path string, hub Restorer) (restored bool, err error) {
	if path == "" {
		return false, errNoPath
	}
	path = target(path)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		// A folder that is missing would be found out only when the hub is to be saved.
		if _, err = os.Stat(filepath.Dir(path)); err == nil {
			return false, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("loading the hub from %s: %w", path, err)
	}
	err = hub.Restore(file)
	_ = file.Close() // before it is removed: Windows removes no file that is open
	if err != nil {
		return false, fmt.Errorf("loading the hub from %s: %w", path, err)
	}
	// Before anybody is served: what they are told from now on is not in the file.
	if err := cmp.Or(os.Remove(path), syncDirectory(path)); err != nil {
		return true, fmt.Errorf("the hub was restored from %s, which cannot be removed, so it is not served: make the file removable, and start again: %w", path, err)
	}
	return true, nil
}

var errNoPath = errors.New("hubfile: the path is empty")

// target is where a path leads to that may be a symbolic link. There need not be a file.
func target(path string) string {
	for range maxLinks {
		to, err := os.Readlink(path)
		if err != nil {
			break // it is none, or what is wrong is said by who uses it
		}
		if !filepath.IsAbs(to) {
			to = filepath.Dir(path) + string(filepath.Separator) + to // what precedes a ".." may be a link too
		}
		path = to
	}
	return path
}

// maxLinks is how many links may follow each other: as many as for the system.
const maxLinks = 40
