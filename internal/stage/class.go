package stage

import (
	"fmt"

	"github.com/lectern-go/lectern"
)

// Class makes a master and so many slaves, each with a client. The master has been told
// about every slave.
func (s *Stage) Class(slaves int) (*User, *lectern.Master, []*User, []*lectern.Slave) {
	s.T.Helper()
	alice := s.User()
	master := alice.Creates("abc123", "alice")
	users, members := make([]*User, slaves), make([]*lectern.Slave, slaves)
	for i := range slaves {
		users[i] = s.User()
		members[i] = users[i].Joins("abc123", fmt.Sprint("user_", i))
		NextPresence(s.T, master, members[i].Username(), lectern.StateOnline)
	}
	return alice, master, users, members
}
