package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// member is the master or a slave of a channel. It lives from its create or join to
// the end of the membership, over any number of connections. There is one for each slave
// that a hub has, so what few of them need is in extras.
type member struct {
	name  string
	role  wire.Role
	state wire.State
	// told is the state of a slave that the master's present connection was last told.
	// It is zero before the master is told that the slave is there.
	told wire.State
	// roster is how its client wants to be told of the slaves, where it is the master or becomes that.
	roster wire.Roster
	// hash is the hash of the resume secret. The secret itself is not kept here.
	hash Hash
	// holder is the client that holds the membership, and since the epoch at which it has
	// taken it over (holder.go).
	holder holder
	since  uint64
	// repeatable is when the create or join was that has made the membership and can be
	// repeated, since no frame has come in it: in nanoseconds of Unix time, and zero where
	// it cannot be repeated any more.
	repeatable int64
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
	// openRequests are the numbers of a slave's requests that the master has not
	// answered.
	openRequests []uint64
	// start is the number of the newest message before this slave joined. No message
	// up to this number was for this slave.
	start uint64
	// given is the number of the newest message that the member was given on an earlier
	// attachment (countAgain).
	given uint64
	// lostPrivate is the number of the newest message that was for this slave alone
	// and is no longer kept.
	lostPrivate uint64
	// extras is nil where the member has none.
	extras *extras
	// previous and next are the links of the awayList.
	previous, next *member
}

// extras are what few members have.
type extras struct {
	// newcomer has taken the membership over without sending a frame in it. It is zero where
	// there is none. It stays when the holder has returned, to tell late frames (holder.go).
	newcomer holder
	// secret was given by the answer to a repeated create or join, and the one before it
	// works until a frame of the member comes. The zero Hash: there is none.
	secret Hash
	// grant is what the service has granted, or nil (grant.go).
	grant *Grant
	// repaid is when the bytes that the member was given twice are forgotten, in
	// milliseconds of Unix time (countAgain).
	repaid int64
	// asked is what the member is given again that it was asked, or nil (asked.go).
	asked *askedAgain
	// attributes are nil where the member has had none.
	attributes *attributes
	// floor is up to which number no messages are fed to the member, while it is fed
	// attributes from before that (catchup.go).
	floor uint64
	// handed is what the member has of a hand-over until it has shown that it knows of it, or nil
	// (unshown.go). parted: by a hand-over this has become another membership.
	handed *handed
	parted bool
	// declared is for cutOff: a master had said that it is away.
	declared bool
	// cutOff is how the attachment was that the member has lost with its hub, or nil (cutoff.go).
	cutOff *Attachment
}

// extra is what the member has of extras, to read.
func (m *member) extra() extras {
	if m.extras == nil {
		return extras{}
	}
	return *m.extras
}

// needExtras returns the extras, and makes them first where there are none.
func (m *member) needExtras() *extras {
	if m.extras == nil {
		m.extras = new(extras)
	}
	return m.extras
}
