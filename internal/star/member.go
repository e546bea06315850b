package star

import (
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// member is a master or a slave of a channel, from its create or join to its
// end, over any number of connections.
type member struct {
	name string
	role wire.Role
	// hash is of the resume secret, which is not kept here.
	hash  Hash
	state wire.State
	// deadline is when a member that is away is given up.
	deadline time.Time
	// epoch counts the attachments. at is the present one, or nil.
	epoch uint64
	at    *Attachment
	// answers are those to its latest sends, to recognise one sent again.
	answers answers
	// asks are the numbers of a slave's requests that the master has not
	// answered.
	asks []uint64
	// start is the number of the newest message before a slave joined: nothing
	// up to it was for this slave.
	start uint64
	// lostPrivate is the number of the newest message for this slave alone that
	// is no longer kept.
	lostPrivate uint64
	// Place in the awayList.
	previous, next *member
}

// roster lists by their names the slaves that are wanted, or all of them.
func (c *Channel) roster(wanted func(*member) bool) []wire.Member {
	members := make([]wire.Member, 0, len(c.slaves))
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		if m := c.slaves[name]; wanted == nil || wanted(m) {
			members = append(members, wire.Member{Username: name, State: m.state})
		}
	}
	return members
}
