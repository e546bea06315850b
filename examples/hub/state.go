package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/hubfile"
)

// handOnTimeout bounds the orderly end where another process goes on. It is short, because
// everybody waits for that one, and loses nothing by being cut off: what is queued for a slow
// member is in the file too. It is no shorter, because the closing is spread over three
// quarters of it, and all come back at once otherwise.
const handOnTimeout = time.Second

// restore has a new hub go on from the file, where there is one. The log tells of a start
// without: after a crash, members are told hub_lost for that reason.
func restore(path string, hub *lectern.Hub, logger *slog.Logger) error {
	if path == "" {
		return nil
	}
	restored, err := hubfile.Load(path, hub)
	switch {
	case errors.Is(err, lectern.ErrBadState), errors.Is(err, lectern.ErrOverPolicy):
		return fmt.Errorf("-state: %w; remove the file to begin without it", err)
	case err != nil:
		return fmt.Errorf("-state: %w", err)
	case !restored:
		logger.Info("nothing to restore, the hub begins anew", "state", path)
	}
	return nil
}

// lock keeps other processes from the file for as long as this one runs.
func lock(path string) (unlock func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	unlock, err = hubfile.Lock(path)
	switch {
	case errors.Is(err, hubfile.ErrLocked):
		return nil, fmt.Errorf("-state %s: another process has this file: start this one when that has ended", path)
	case err != nil:
		return nil, fmt.Errorf("-state: %w", err)
	}
	return unlock, nil
}
