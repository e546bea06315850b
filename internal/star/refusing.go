package star

import (
	"fmt"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file has the words of refusals that say more while somebody is away: what is taken
// may be free again soon, and the one who is away may be the one who asks.

// taken is the refusal of a name that a slave has.
func taken(now time.Time, m *member) error {
	if m.state != wire.StateAway {
		return wire.ErrNameTaken
	}
	return wire.ErrNameTaken.With(fmt.Sprintf(
		"the name %s is kept for a member that is away, and free again in %d s unless it comes back: choose another one, or resume if it is your own",
		wire.Quote(m.name), seconds(m.deadline.Sub(now))))
}

// exists is the refusal of a Create of a channel that there is.
func (c *Channel) exists(now time.Time) error {
	if c.life != open || c.master.state != wire.StateAway {
		return wire.ErrChannelExists
	}
	return wire.ErrChannelExists.With(fmt.Sprintf(
		"the channel is kept for its master, who is away, and free again in %d s unless they come back: choose another one, or resume if it is your own",
		seconds(c.master.deadline.Sub(now))))
}

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
