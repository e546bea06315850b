package histories

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// This file is what the members of a channel have said and which attributes they have set, in its
// order, and what each reader may get of it.

// entry is one thing of a channel's life. Those before it hang on it: an entry never changes.
type entry struct {
	before *entry
	index  int // from 1 on
	hash   uint64
	what   happening
	// seq is the number in the direction of who did it. told is the other number under which a
	// master may be told an attribute, with which a slave has joined, or zero.
	seq, told uint64
	owner     int // the membership
	name      string
	ofMaster  bool
	// Of what was said. asks: it wants an answer, for the handle. question is the number of the
	// ask that it answers, with a no where it is declined.
	text, topic, to string
	expires, asks   bool
	handle          int
	question        uint64
	declined        bool
	// Of an attribute. Without a value it was removed. hidden: nobody was told of it with this number.
	key, value string
	hidden     bool
}

// happening is what an entry tells of.
type happening string

const (
	said    happening = "said"
	hasSet  happening = "set"
	replied happening = "replied" // an answer, which is not among the events
	isOut   happening = "out"     // a slave's membership is over, and its attributes are
	// isMaster: the mastership has come to that name. The attributes of the channel stay.
	isMaster   happening = "master"
	hasKnocked happening = "knocked" // seq is the number of the knock, or zero, and text who it is
)

// keys are those of the attributes.
var keys = []string{"k0", "k1"}

// pair is an attribute with which somebody enters.
type pair struct{ key, value string }

func (e *entry) length() int {
	if e == nil {
		return 0
	}
	return e.index
}

func (e *entry) sum() uint64 {
	if e == nil {
		return 0
	}
	return e.hash
}

// find is the newest entry for which wanted holds, or nil.
func (e *entry) find(wanted func(*entry) bool) *entry {
	for ; e != nil; e = e.before {
		if wanted(e) {
			return e
		}
	}
	return nil
}

// attribute is the newest entry about the key of the slave of that name, or its end, or nil. The master's
// attributes are those of the mastership, whoever has it.
func (e *entry) attribute(ofMaster bool, name, key string) *entry {
	return e.find(func(x *entry) bool {
		return x.ofMaster == ofMaster && (ofMaster || x.name == name) && (x.what == isOut || x.what == hasSet && x.key == key)
	})
}

// log is what there is of the present life.
func (s star) log() *entry { return s.logs[len(s.logs)-1] }

// noted is the channel with one entry more.
func (s star) noted(e entry) star {
	e.before, e.index = s.log(), s.log().length()+1
	h := fnv.New64a()
	fmt.Fprint(h, s.log().sum(), e.what, e.seq, e.told, e.owner, e.name, e.text, "|", e.topic, "|", e.to, e.expires, e.key, "|", e.value, e.hidden, e.asks, e.handle, e.question, e.declined)
	e.hash = h.Sum64()
	s.logs = slices.Clone(s.logs)
	s.logs[len(s.logs)-1] = &e
	return s
}

// speaks is the channel after something was said by the seat's holder.
func (s star) speaks(x seat, in input) star {
	e := entry{what: said, owner: x.owner, name: x.name, text: in.text, topic: in.topic, to: in.to, expires: in.expires}
	switch in.op {
	case ask:
		e.asks, e.handle = true, in.handle
	case reply:
		e.what, e.question, e.declined = replied, in.question, in.declined
		s = s.closed(func(x *entry) bool { return x.seq == in.question })
	}
	if in.op == report || in.op == ask {
		s.up++
		e.seq = s.up
	} else {
		s.down++
		e.seq, e.ofMaster = s.down, true
	}
	return s.noted(e)
}

// sets is the channel after a change of the seat's attribute. Where there is nothing to remove,
// nothing happens.
func (s star) sets(x seat, ofMaster bool, p pair) star {
	if before := s.log().attribute(ofMaster, x.name, p.key); p.value == "" && (before == nil || before.what == isOut || before.value == "") {
		return s
	}
	e := entry{what: hasSet, owner: x.owner, name: x.name, ofMaster: ofMaster, key: p.key, value: p.value, hidden: x.untold}
	if ofMaster {
		s.down++
		e.seq = s.down
	} else {
		s.up++
		e.seq = s.up
	}
	return s.noted(e)
}

// entersWith is the channel after the seat has entered with attributes. They are told with the
// number of the last one.
func (s star) entersWith(x seat, ofMaster bool, pairs []pair) star {
	last := s.up + uint64(len(pairs))
	for _, p := range pairs {
		s = s.sets(x, ofMaster, p)
		if !ofMaster {
			e := *s.log()
			s.logs = slices.Clone(s.logs)
			s.logs[len(s.logs)-1] = e.before
			e.told = last
			s = s.noted(e)
		}
	}
	return s
}

// hears is the channel after its master is on a connection again. The attributes of slaves that
// it has not heard of take new numbers.
func (s star) hears() star {
	s.gone = false
	var shown []*entry
	s.slaves = slices.Clone(s.slaves)
	for i, x := range s.slaves {
		if !x.untold {
			continue
		}
		s.slaves[i].untold = false
		for _, key := range keys {
			if e := s.log().attribute(false, x.name, key); e != nil && e.what == hasSet {
				shown = append(shown, e)
			}
		}
	}
	slices.SortFunc(shown, func(a, b *entry) int { return cmp.Compare(a.index, b.index) })
	for _, e := range shown {
		again := *e
		s.up++
		again.seq, again.told, again.hidden = s.up, 0, false
		s = s.noted(again)
	}
	return s
}

// out is the channel after the end of a slave's membership.
func (s star) out(x seat) star {
	s.slaves = slices.DeleteFunc(slices.Clone(s.slaves), func(other seat) bool { return other.name == x.name })
	s = s.endReaders(x, 0)
	return s.noted(entry{what: isOut, owner: x.owner, name: x.name})
}

// sure is how many slaves are on a connection for certain.
func (s star) sure() (n int) {
	for _, x := range s.slaves {
		if x.sure {
			n++
		}
	}
	return n
}

// reader is who takes the events of one handle.
type reader struct {
	handle, owner, life int
	name                string
	isMaster            bool
	// start is the entry after which its membership has begun, and until the last one that is
	// for the handle, where that is known.
	start, until int
	// heir and former are those of the seat.
	heir   int
	former handles
	// last is the highest number that it was told, upTo the entry of the message that it has taken
	// last, and missed how many it was told to have missed since.
	last   uint64
	upTo   int
	missed uint64
	// marks are how far it has seen the attributes of others.
	marks string
}

// endless is where a reader is at its end that has not ended.
const endless = 1 << 30

// reads is the channel with a reader for the handle, which has the seat now.
func (s star) reads(handle int, x seat, isMaster bool) star {
	s.readers = append(slices.Clone(s.readers), reader{
		handle: handle, owner: x.owner, life: len(s.logs) - 1, name: x.name, isMaster: isMaster, start: x.start, upTo: x.start, until: endless,
		heir: x.heir, former: x.former,
	})
	return s
}

// endReaders is the channel after the seat's handles have ended, but for that one.
func (s star) endReaders(x seat, but int) star {
	s.readers = slices.Clone(s.readers)
	for i, r := range s.readers {
		if r.owner == x.owner && r.handle != but && r.life == len(s.logs)-1 && r.until == endless {
			s.readers[i].until = s.log().length()
		}
	}
	return s
}

// reading is what somebody has taken from a handle, and what it saw of the sender's attributes
// then.
type reading struct {
	what        happening // said, hasSet, or empty: messages are missing
	from        string
	ofMaster    bool
	seq, missed uint64
	text, topic string
	private     bool
	asks        bool
	declined    bool
	key, value  string
	view        map[string]string
	over        bool // of a knock
}

// read reports whether the handle can have taken that, and the channel after it.
func (s star) read(handle int, got reading) (bool, star) {
	i := slices.IndexFunc(s.readers, func(r reader) bool { return r.handle == handle })
	if i < 0 {
		return false, s
	}
	r, log := s.readers[i], s.logs[s.readers[i].life]
	possible := true
	switch got.what {
	case said:
		possible = r.takes(log, got)
	case hasSet:
		possible = r.sees(log, got)
	case hasKnocked:
		possible = s.tellsOf(&r, log, got)
	default:
		r.missed += got.missed
	}
	s.readers = slices.Clone(s.readers)
	s.readers[i] = r
	return possible, s
}

// takes takes in a message: it is the next one that is for the reader, but for those that have
// expired, which it was told of, and it sees attributes as they were then, or newer.
func (r *reader) takes(log *entry, got reading) bool {
	e := log.find(func(e *entry) bool { return e.what == said && e.ofMaster != r.isMaster && e.seq == got.seq })
	if e == nil || e.index <= r.start || e.index > r.until || e.seq <= r.last || !r.gets(e) ||
		e.text != got.text || e.topic != got.topic || e.asks != got.asks || e.name != got.from || !r.isMaster && got.private != (e.to != "") {
		return false
	}
	if r.upTo == 0 && e.asks && e.index <= r.heir {
		// It is asked again what its former master has not answered, in front of all else.
		again := e.seq > uint64(r.mark("asked", "", ""))
		r.setMark("asked", "", "", int(e.seq))
		return again
	}
	lost, perhaps := uint64(0), uint64(0)
	for x := e.before; x != nil && x.index > r.upTo; x = x.before {
		switch {
		case x.what != said || x.ofMaster == r.isMaster:
		case r.former.has(x.owner) && x.expires:
			perhaps++ // of what has expired it is not known that it was its own
		case !r.gets(x):
		case r.upTo == 0 && x.index <= r.heir:
			perhaps++ // the former master may have got it
		case !x.expires:
			return false
		default:
			lost++
		}
	}
	if r.missed < lost || r.missed > lost+perhaps {
		return false
	}
	r.last, r.upTo, r.missed = e.seq, e.index, 0
	for _, key := range keys {
		if !r.views(log, e, key, got.view[key]) || !r.wasTold(log, e, key) {
			return false
		}
	}
	return true
}

// gets reports whether what was said is for the reader.
func (r *reader) gets(e *entry) bool {
	return r.isMaster && !r.former.has(e.owner) || !r.isMaster && (e.to == "" || e.to == r.name)
}

// whose is the name under which the reader keeps what it knows of the attributes of who has that
// name: those of the master are the mastership's.
func (r *reader) whose(name string) string {
	if r.isMaster {
		return name
	}
	return ""
}

// isOf reports whether the entry is about attributes of who has that name that the reader sees.
func (r *reader) isOf(x *entry, name string) bool {
	return x.ofMaster != r.isMaster && (!r.isMaster || x.name == name) && (x.what == hasSet || x.what == isOut)
}

// views takes in what is seen of a key of who has sent e when that is taken: the value that it had
// then, or a newer one, or an older one that a newer one is about to follow; and never an older
// one than before.
func (r *reader) views(log, e *entry, key, value string) bool {
	seen := r.mark("view", r.whose(e.name), key)
	then, newest := e.attribute(e.ofMaster, e.name, key), log.attribute(e.ofMaster, e.name, key)
	var x *entry
	if value != "" {
		x = log.find(func(x *entry) bool { return x.what == hasSet && r.isOf(x, e.name) && x.key == key && x.value == value })
		if x == nil || x.index < seen {
			return false
		}
	} else if seen > 0 || then != nil {
		// The oldest removal that explains it.
		for y := log; y != nil && y.index >= seen; y = y.before {
			if r.isOf(y, e.name) && (y.what == isOut || y.key == key && y.value == "") {
				x = y
			}
		}
		if x == nil && seen > 0 {
			return false
		}
	}
	if x.length() < then.length() && newest.length() <= then.length() && !(value == "" && (then.what == isOut || then.value == "")) {
		return false
	}
	r.setMark("view", r.whose(e.name), key, x.length())
	return true
}

// wasTold reports whether the changes of a key that the reader has taken are complete when it takes
// e: the last one was told, or a newer one is about to be.
func (r *reader) wasTold(log, e *entry, key string) bool {
	then := e.attribute(e.ofMaster, e.name, key)
	if then == nil || then.what == isOut || log.attribute(e.ofMaster, e.name, key).index > then.index {
		return true
	}
	told := r.mark("event", r.whose(e.name), key)
	if then.value != "" {
		return told >= then.index
	}
	// A removal is told to who knows a value.
	x := log.find(func(x *entry) bool { return x.index == told })
	return x == nil || x.index == then.index || x.value == "" || e.find(func(y *entry) bool {
		return y.what == isOut && r.isOf(y, e.name) && y.index > told
	}) != nil
}

// sees takes in the change of an attribute: one that there was, newer than what it has seen of the
// key, and in the order of the numbers. The master's can be told under the name of a later one.
func (r *reader) sees(log *entry, got reading) bool {
	e := log.find(func(e *entry) bool {
		return e.what == hasSet && !e.hidden && r.isOf(e, got.from) && e.key == got.key && e.value == got.value &&
			(e.seq == got.seq || e.told == got.seq)
	})
	if e == nil || e.index > r.until || got.seq < r.last || e.index <= r.mark("event", r.whose(got.from), got.key) {
		return false
	}
	if e.name != got.from && log.find(func(x *entry) bool { return x.what == isMaster && x.name == got.from && x.index > e.index }) == nil {
		return false
	}
	r.last = got.seq
	r.setMark("event", r.whose(got.from), got.key, e.index)
	return true
}

// mark is how far the reader has seen the key.
func (r *reader) mark(how, name, key string) (index int) {
	_, rest, _ := strings.Cut(r.marks, how+"/"+name+"/"+key+"=")
	_, _ = fmt.Sscanf(rest, "%d", &index)
	return index
}

func (r *reader) setMark(how, name, key string, index int) {
	if index == 0 {
		return
	}
	prefix := how + "/" + name + "/" + key + "="
	parts := strings.Fields(r.marks)
	parts = slices.DeleteFunc(parts, func(part string) bool { return strings.HasPrefix(part, prefix) })
	parts = append(parts, prefix+fmt.Sprint(index))
	slices.Sort(parts)
	r.marks = strings.Join(parts, " ")
}

func (e *entry) String() string {
	switch e.what {
	case said, replied:
		return fmt.Sprintf("%s said %q (%d)", e.name, e.text, e.seq)
	case hasSet:
		return fmt.Sprintf("%s set %s=%q (%d)", e.name, e.key, e.value, e.seq)
	case isOut:
		return e.name + " is out"
	}
	return fmt.Sprintf("%s %s %q (%d)", e.name, e.what, e.text, e.seq)
}

func (got reading) String() string {
	switch got.what {
	case replied:
		return fmt.Sprintf("%q as the answer, declined=%t", got.text, got.declined)
	case said:
		return fmt.Sprintf("%q of %s, number %d, topic %q, private %t, when its attributes were %v", got.text, got.from, got.seq, got.topic, got.private, got.view)
	case hasKnocked:
		return fmt.Sprintf("that %s knocks (%s), number %d, over=%t", got.from, got.text, got.seq, got.over)
	case hasSet:
		return fmt.Sprintf("%s of %s is %q, number %d", got.key, got.from, got.value, got.seq)
	}
	return fmt.Sprintf("a gap of %d", got.missed)
}
