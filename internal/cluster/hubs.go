package cluster

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// BeatEvery is how often a hub beats.
	BeatEvery = 500 * time.Millisecond

	// UnheardAfter is after how much silence it is doubted that a hub lives.
	UnheardAfter = 1500 * time.Millisecond

	// LostAfter is after how much silence the members of a hub are taken for gone.
	LostAfter = 2500 * time.Millisecond

	// aloneAfter is after how much silence of its own beat a hub takes itself for cut off, or
	// overloaded. Between the last beats of two hubs that somebody hears lies up to one period, so
	// it knows so before it would doubt anybody.
	aloneAfter = time.Second

	// witnessed is for how long after the own beat came back silence counts: until the next
	// one is late by half a period, and it may be this hub that hears nothing.
	witnessed = BeatEvery * 3 / 2

	// forgetAfter is when a lost hub is forgotten. A hub does not come back with the same id once its process
	// has ended, but it may have been frozen, or cut off, for long.
	forgetAfter = time.Minute

	// maxHubs bounds how many hubs are kept, this one included.
	maxHubs = 1024

	// maxRank bounds for how many others a hub waits before it doubts: the time in which a channel without an
	// owner gets another must not grow with the cluster.
	maxRank = 4
)

// Standing is what a hub is for this one.
type Standing uint8

const (
	Heard   Standing = iota // or not silent for long enough to say more
	Unheard                 // what it owns is to be doubted
	Lost                    // and its members are away
)

// ChangeKind is what has changed.
type ChangeKind uint8

const (
	BecameUnheard ChangeKind = iota + 1
	BecameLost               // always after BecameUnheard
	Back                     // is heard who was Unheard: again, or for the first time
	BecameLeaving            // has said that it is about to stop; once
	BecameAlone              // this hub does not hear itself: it judges nobody
	NotAlone                 // it does again
)

// Change is a change of who else is there.
type Change struct {
	Kind ChangeKind
	Hub  cluster.HubID // this hub for BecameAlone and NotAlone
}

// Hubs is who else is there, as far as one hub hears it. It is state without a lock, a clock or a goroutine:
// time is passed in, and may not go back.
//
// What it says decides nothing that must not be wrong: a hub that is heard by nobody may be alive, and write. It is for when to
// ask, and for what to tell members meanwhile.
//
// The own beat is the measure. While it does not come back nobody is judged, as it may be this
// hub that is cut off, frozen or overloaded; and when it comes again, everybody is given a
// whole new period first, as it may come in front of all that has piled up.
type Hubs struct {
	self    cluster.HubID
	own     time.Time // when the own beat came last; at first, the beginning
	judging time.Time // since when silence counts
	alone   bool
	hubs    map[cluster.HubID]*heardHub // without this one
	last    Beat                        // the own one
}

type heardHub struct {
	Beat
	heard    time.Time
	standing Standing
}

// NewHubs is what a hub knows that begins to listen now.
func NewHubs(now time.Time, self cluster.HubID) *Hubs {
	return &Hubs{self: self, own: now, judging: now, hubs: make(map[cluster.HubID]*heardHub)}
}

// Heard takes a beat of any hub, this one's too, and tells what has changed by it. A hub beyond the bound of those that are
// kept is passed over, and stands as one that was never heard.
func (h *Hubs) Heard(now time.Time, id cluster.HubID, beat Beat) (changes []Change) {
	if id == h.self {
		return h.heardSelf(now, beat)
	}
	hub := h.hubs[id]
	was := h.Standing(now, id)
	if hub == nil {
		if len(h.hubs) >= maxHubs-1 {
			return nil
		}
		hub = &heardHub{}
		h.hubs[id] = hub
	}
	left := hub.Leaving
	hub.Beat, hub.heard, hub.standing = beat, now, Heard
	hub.Leaving = left || beat.Leaving // an older beat may come later
	if was != Heard {
		changes = append(changes, Change{Back, id})
	}
	if hub.Leaving && !left {
		changes = append(changes, Change{BecameLeaving, id})
	}
	return changes
}

func (h *Hubs) heardSelf(now time.Time, beat Beat) (changes []Change) {
	if h.alone || now.Sub(h.own) > aloneAfter {
		h.judging = now
	}
	if h.alone {
		h.alone = false
		changes = append(changes, Change{NotAlone, h.self})
	}
	h.own, h.last = now, beat
	return append(changes, h.judge(now)...)
}

// Check tells what has changed by time alone, or because the engine says that it is not connected. It is to be
// called when Next says so, and now and then.
func (h *Hubs) Check(now time.Time, connected bool) (changes []Change) {
	if !h.alone && (!connected || now.Sub(h.own) > aloneAfter) {
		h.alone = true
		changes = append(changes, Change{BecameAlone, h.self})
	}
	return append(changes, h.judge(now)...)
}

// judge calls unheard and lost who is, in the order of their ids, and forgets who is lost for long.
func (h *Hubs) judge(now time.Time) (changes []Change) {
	if h.alone {
		return nil
	}
	for _, id := range slices.SortedFunc(maps.Keys(h.hubs), compareHubs) {
		hub := h.hubs[id]
		silence := h.silence(now, hub.heard)
		if hub.standing == Heard && silence >= UnheardAfter {
			hub.standing = Unheard
			changes = append(changes, Change{BecameUnheard, id})
		}
		if hub.standing == Unheard && silence >= LostAfter {
			hub.standing = Lost
			changes = append(changes, Change{BecameLost, id})
		}
		if hub.standing == Lost && now.Sub(hub.heard) >= forgetAfter {
			delete(h.hubs, id)
		}
	}
	return changes
}

// silence is how much of the time since a hub was heard counts as its silence.
func (h *Hubs) silence(now, heard time.Time) time.Duration {
	return earlier(now, h.own.Add(witnessed)).Sub(later(heard, h.judging))
}

// Next is when Check may have something to tell by time alone: always after now.
func (h *Hubs) Next(now time.Time) time.Time {
	next := now.Add(forgetAfter)
	if h.alone {
		return next
	}
	if due := h.own.Add(aloneAfter + 1); due.After(now) {
		next = earlier(next, due)
	}
	for _, hub := range h.hubs {
		limit := UnheardAfter
		switch hub.standing {
		case Lost:
			continue
		case Unheard:
			limit = LostAfter
		}
		// One that is due already waits for the own beat.
		if due := later(hub.heard, h.judging).Add(limit); due.After(now) {
			next = earlier(next, due)
		}
	}
	return next
}

// Alone tells whether this hub does not hear itself, as far as it has been told so.
func (h *Hubs) Alone() bool { return h.alone }

// Silent is since when a hub's silence counts: since it was last heard, or since this hub listens, the later of them. Who
// is not known has been silent since then; and while this hub is alone nobody is.
func (h *Hubs) Silent(now time.Time, id cluster.HubID) time.Time {
	if h.alone || id == h.self {
		return now
	}
	if hub := h.hubs[id]; hub != nil {
		return later(hub.heard, h.judging)
	}
	return h.judging
}

// Standing is that of a hub, as it was told; or, of one that is not known, as long as this hub has listened. This hub
// is always heard.
func (h *Hubs) Standing(now time.Time, id cluster.HubID) Standing {
	if id == h.self {
		return Heard
	}
	if hub := h.hubs[id]; hub != nil {
		return hub.standing
	}
	switch silence := h.silence(now, time.Time{}); {
	case silence >= LostAfter:
		return Lost
	case silence >= UnheardAfter:
		return Unheard
	}
	return Heard
}

// Rank is how many others may be asked to go first, of those that are heard and not leaving, when something of the key is to be
// done for a hub that is not there: from 0 to 4. Hubs that hear the same others
// have different ones, and which, differs from key to key.
func (h *Hubs) Rank(key cluster.Key, without cluster.HubID) (rank int) {
	own := lot(key, h.self)
	for id, hub := range h.hubs {
		if id == without || hub.standing != Heard || hub.Leaving {
			continue
		}
		if other := lot(key, id); bytes.Compare(other[:], own[:]) < 0 {
			if rank++; rank == maxRank {
				break
			}
		}
	}
	return rank
}

// lot is what a hub draws for a key: the same everywhere.
func lot(key cluster.Key, id cluster.HubID) [sha256.Size]byte {
	var both [len(key) + len(id)]byte
	copy(both[:], key[:])
	copy(both[len(key):], id[:])
	return sha256.Sum256(both[:])
}

// HubInfo is what is known of a hub, for operators.
type HubInfo struct {
	ID       cluster.HubID
	Beat     Beat
	HeardAgo time.Duration
	Standing Standing
}

// List is all hubs that are known, this one among them, in the order of their ids.
func (h *Hubs) List(now time.Time) []HubInfo {
	list := []HubInfo{{ID: h.self, Beat: h.last, HeardAgo: now.Sub(h.own)}}
	for id, hub := range h.hubs {
		list = append(list, HubInfo{id, hub.Beat, now.Sub(hub.heard), hub.standing})
	}
	slices.SortFunc(list, func(a, b HubInfo) int { return compareHubs(a.ID, b.ID) })
	return list
}

func compareHubs(a, b cluster.HubID) int { return bytes.Compare(a[:], b[:]) }

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
