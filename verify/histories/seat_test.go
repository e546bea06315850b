package histories

import (
	"fmt"
	"strings"
)

// seat is a membership and the handle that has it at present.
type seat struct {
	member, holder int
	name           string
	// owner is the member by which the seat was made: it has the attributes, whoever has it. start
	// is the length of the log then.
	owner, start int
	// untold: it is a slave's of which its master has not heard. sure: its connection is there
	// for certain, and gets what is sent.
	untold, sure bool
	// heir is of one who has the mastership by a hand-over: the length of the log then. former are
	// the owners of the seats that it has had before, and each heir before it: what was said by
	// those does not come to it.
	heir   int
	former handles
	// secret are the handles that have its present resume secret, and current those of them
	// with a ticket that no other client has followed that was heard.
	secret, current handles
}

// handles is a list of handles, the one that came last at the end. It can be compared.
type handles string

func handleSet(handle int) handles        { return handles("").with(handle) }
func (s handles) with(handle int) handles { return s + handles(fmt.Sprintf("(%d)", handle)) }
func (s handles) has(handle int) bool {
	return strings.Contains(string(s), fmt.Sprintf("(%d)", handle))
}

// after are those that came after the handle.
func (s handles) after(handle int) handles {
	_, later, _ := strings.Cut(string(s), fmt.Sprintf("(%d)", handle))
	return handles(later)
}

// newSeat is the seat that the operation makes.
func newSeat(in input) seat {
	return seat{
		member: in.member, holder: in.handle, name: in.user, owner: in.member, sure: true,
		secret: handleSet(in.handle), current: handleSet(in.handle),
	}
}

// resumedBy is the seat after a resume by its ticket.
func (x seat) resumedBy(handle int) seat {
	x.holder, x.secret, x.current, x.sure = handle, x.secret.with(handle), x.current.with(handle), false
	return x
}

// seizedBy is the seat after the service has given it to another client. It counts as another
// membership: nothing of the one before is worth anything.
func (x seat) seizedBy(in input) seat {
	seized := newSeat(in)
	seized.name, seized.owner, seized.start, seized.untold, seized.sure = x.name, x.owner, x.start, x.untold, false
	seized.heir, seized.former = x.heir, x.former
	return seized
}
