package hub

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
)

// This file carries a hub over to another process: what a hub that was shut down has, and
// a new one that goes on from there.

// Export writes down what the hub has, after Shutdown or Close has returned; while they run,
// it waits for them. It keeps nothing in memory beside one part of a channel. It changes
// nothing, and can be called again.
func (h *Hub) Export(w io.Writer) error {
	if !h.closing.Load() {
		return ErrNotShutDown
	}
	if h.clustered != nil {
		return errInLog
	}
	<-h.ended
	channels := h.retired
	out := newStateWriter(w)
	state := stateOf{id: h.id, stopped: h.stopped, channels: uint64(len(channels))}
	err := out.block(blockHub, state.content())
	buffer := make([]byte, 0, 2*star.PartSize)
	for _, c := range channels {
		kind := byte(blockChannel)
		c.Parts(buffer, func(part []byte) bool {
			err = out.block(kind, part)
			kind = blockPart
			return err == nil
		})
		if err != nil {
			break
		}
	}
	if err == nil {
		err = out.block(blockEnd, nil)
	}
	if err = cmp.Or(err, out.w.Flush()); err != nil {
		return fmt.Errorf("exporting the hub: %w", err)
	}
	h.config.Logger.Info("hub exported", "channels", len(channels))
	return nil
}

// errInLog: the channels of a cluster are in its log, where other hubs have them.
var errInLog = errors.New("lectern: a hub of a cluster neither exports nor restores its channels: they are in the cluster's log")

// Restore has a new hub go on from what another one has exported. Nothing is restored
// unless everything can be.
func (h *Hub) Restore(r io.Reader) error {
	switch {
	case h.clustered != nil:
		return errInLog
	case !h.isNew():
		return ErrNotNew
	}
	state, rules, err := h.readState(r)
	if err != nil {
		return err
	}
	channels := make([]*delivery.Channel, 0, len(rules))
	h.mu.Lock()
	if !h.unused() {
		h.mu.Unlock()
		return ErrNotNew
	}
	h.id = state.id
	h.restored.Store(true)
	for _, rules := range rules {
		c := delivery.Restored(rules, &h.delivering)
		h.channels[c.Name()] = c
		channels = append(channels, c)
	}
	h.goroutines.Add(1) // Shutdown waits until all have started
	h.mu.Unlock()
	defer h.goroutines.Done()
	h.config.Logger.Info("hub restored", "channels", len(channels), "stopped", state.stopped)
	for _, c := range channels {
		c.Start()
	}
	return nil
}

// isNew reports whether nobody has used the hub.
func (h *Hub) isNew() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unused()
}

// unused is isNew. The lock is held.
func (h *Hub) unused() bool {
	return !h.closing.Load() && !h.restored.Load() && h.accepted == 0 && len(h.channels) == 0
}

// blockRoom is how many bytes a block may have beside a message. What the service keeps with a
// member is in one piece, and so are the names of all who have answered a request.
const blockRoom = 256 << 20

// readState reads what Export has written, and checks all of it.
func (h *Hub) readState(r io.Reader) (state stateOf, channels []*star.Channel, err error) {
	in, err := newStateReader(r, blockRoom+h.config.MaxMessageBytes)
	if err != nil {
		return state, nil, err
	}
	kind, content, err := in.next()
	if err != nil {
		return state, nil, err
	}
	state, ok := parseStateOf(content)
	if kind != blockHub || !ok {
		return state, nil, badState("its first block is not that of a hub")
	}
	if state.channels > uint64(h.config.MaxChannels) {
		return state, nil, fmt.Errorf("%w: there are %d channels, and Policy.MaxChannels is %d", ErrOverPolicy, state.channels, h.config.MaxChannels)
	}
	// A clock that was put back, or is another machine's, does not tell how long it was since.
	behind := max(time.Until(state.stopped), 0)
	names := make(map[string]struct{})
	var current *star.Import
	finish := func() error {
		if current == nil {
			return nil
		}
		c, err := current.Finish()
		if err != nil {
			return inState(err)
		}
		if _, twice := names[c.Name()]; twice {
			return badState("there are two channels %q", c.Name())
		}
		names[c.Name()] = struct{}{}
		channels = append(channels, c)
		return nil
	}
	for {
		kind, content, err := in.next()
		if err != nil {
			return state, nil, err
		}
		if kind == blockChannel || kind == blockEnd {
			if err := finish(); err != nil {
				return state, nil, err
			}
		}
		switch kind {
		case blockChannel:
			if uint64(len(channels)) == state.channels {
				return state, nil, badState("there are more channels than the %d that there are said to be", state.channels)
			}
			current = star.NewImport(&h.delivering.Limits, h.config.MaxMessageBytes, behind)
			fallthrough
		case blockPart:
			if current == nil {
				return state, nil, badState("it begins in the middle of a channel")
			}
			if err := current.Add(content); err != nil {
				return state, nil, inState(err)
			}
		case blockEnd:
			if uint64(len(channels)) != state.channels {
				return state, nil, badState("there are %d channels, and not %d", len(channels), state.channels)
			}
			return state, channels, in.atEnd()
		default:
			return state, nil, badState("there is a block of the kind %d, which is not known here", kind)
		}
	}
}

// atEnd returns an error where something follows.
func (s *stateReader) atEnd() error {
	if _, err := s.r.ReadByte(); err == nil {
		return badState("something follows behind its end, at byte %d", s.at)
	} else if err != io.EOF {
		return s.cut(0, err)
	}
	return nil
}

// inState is the error for a channel that cannot be restored.
func inState(err error) error {
	var over *star.OverLimit
	if errors.As(err, &over) {
		named := *over
		named.Name = "Policy." + over.Name
		return fmt.Errorf("%w: %w", ErrOverPolicy, &named)
	}
	return badState("%w", err)
}

// retire is the end of a shutdown, after all connections are closed and all delivering
// goroutines have ended. The channels are there for Export alone from then on. The later
// ones of several callers wait for the first.
func (h *Hub) retire() {
	h.mu.Lock()
	first := !h.retiring
	h.retiring = true
	channels := slices.Collect(maps.Values(h.channels))
	clear(h.channels)
	h.mu.Unlock()
	if !first {
		<-h.ended
		return
	}
	channels = slices.DeleteFunc(channels, func(c *delivery.Channel) bool { return !c.Exists() })
	slices.SortFunc(channels, func(a, b *delivery.Channel) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, c := range channels {
		c.Retire()
	}
	h.delivering.Watch.Close()
	h.retired = channels
	close(h.ended)
}
