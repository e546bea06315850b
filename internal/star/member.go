package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// member is the master or a slave of a channel. It lives from its create or join to
// the end of the membership, over any number of connections.
type member struct {
	name string
	role wire.Role
	// hash is the hash of the resume secret. The secret itself is not kept here.
	hash Hash
	// holder is the client that holds the membership, and since the epoch at which it has
	// taken it over. entering is nil where everything about that is decided (holder.go).
	holder   holder
	since    uint64
	entering *entering
	// grant is what the service has granted. It is nil where there is nothing to keep.
	grant *Grant
	state wire.State
	// deadline is when the membership of an away member ends, and zero while it is not
	// away.
	deadline time.Time
	// epoch counts the attachments. attachment is the present one, or nil.
	epoch      uint64
	attachment *Attachment
	// answers are the answers to its latest sends, to recognise a retransmitted one.
	answers answers
	// number is the number of a slave's membership in its channel. Who leaves and joins
	// again has another one.
	number uint64
	// told is the state of a slave that the master's present connection was last told.
	// It is zero before the master is told that the slave is there.
	told wire.State
	// openRequests are the numbers of a slave's requests that the master has not
	// answered.
	openRequests []uint64
	// start is the number of the newest message before this slave joined. No message
	// up to this number was for this slave.
	start uint64
	// given is the number of the newest message that the member was given on an earlier
	// attachment. repaid is when the bytes that it was given twice are forgotten, in
	// milliseconds of Unix time (checkAgain).
	given  uint64
	repaid int64
	// lostPrivate is the number of the newest message that was for this slave alone
	// and is no longer kept.
	lostPrivate uint64
	// previous and next are the links of the awayList.
	previous, next *member
}
