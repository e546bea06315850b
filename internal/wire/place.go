package wire

import "slices"

// numbers are the numbers of the members of a list, as a field of their own.
type numbers []Member

// choice is a field that is required and true or false: unlike a flag it is written where it is
// false too.
type choice bool

// place returns where the frame holds the field: a pointer to a string, a
// uint64, a bool, a choice, a Role, a State, a Door, a WaitingFor, a Roster, a Member, a slice of Member, a failure,
// numbers, Attributes or Knocks. has is where
// the frame tells a zero value from none, for the fields that need it.
func (frame *Frame) place(f field) (value any, has *bool) {
	switch f {
	case fieldRef:
		return &frame.Ref, nil
	case fieldChannel:
		return &frame.Channel, nil
	case fieldUsername:
		return &frame.Username, nil
	case fieldExpect:
		return &frame.Expect, nil
	case fieldToken:
		return &frame.Token, nil
	case fieldSecret:
		return &frame.Secret, nil
	case fieldEpoch:
		return &frame.Epoch, nil
	case fieldFrom:
		return &frame.From, nil
	case fieldTo:
		return &frame.To, &frame.HasTo
	case fieldLast:
		return &frame.Last, nil
	case fieldSeq:
		return &frame.Seq, nil
	case fieldSlaves:
		return &frame.Slaves, nil
	case fieldPrivate:
		return &frame.Private, nil
	case fieldAsks:
		return &frame.Asks, nil
	case fieldRequest:
		return &frame.Request, nil
	case fieldReply:
		return &frame.Reply, nil
	case fieldExists:
		return &frame.Exists, &frame.HasExists
	case fieldRole:
		return &frame.Role, nil
	case fieldState:
		return &frame.State, nil
	case fieldMaster:
		return &frame.Master, nil
	case fieldMasterTimeout:
		return &frame.MasterTimeout, &frame.HasMasterTimeout
	case fieldTimeout:
		return &frame.Timeout, &frame.HasTimeout
	case fieldGap:
		return &frame.Gap, nil
	case fieldCode:
		return &frame.Code, nil
	case fieldMissed:
		return &frame.Missed, nil
	case fieldReason:
		return &frame.Reason, nil
	case fieldBan, fieldStay:
		return &frame.Ban, nil
	case fieldMembers:
		return &frame.Members, &frame.HasMembers
	case fieldNumber:
		return &frame.Number, nil
	case fieldInstance:
		return &frame.Instance, nil
	case fieldSeen:
		return &frame.Seen, &frame.HasSeen
	case fieldConfirmMessages:
		return &frame.ConfirmMessages, nil
	case fieldConfirmBytes:
		return &frame.ConfirmBytes, nil
	case fieldTopic:
		return &frame.placeAside().Topic, nil
	case fieldExpires:
		return &frame.placeAside().Expires, nil
	case fieldJoined:
		return &frame.Joined, nil
	case fieldFailed:
		return (*failure)(&frame.Payload), nil
	case fieldKey:
		return &frame.Code, nil
	case fieldAttributes:
		return &frame.placeEntering().Attributes, nil
	case fieldDoor:
		return &frame.placeEntering().Door, nil
	case fieldWait:
		return &frame.placeEntering().Wait, nil
	case fieldFor:
		return &frame.placeEntering().For, nil
	case fieldKnock:
		return &frame.Number, nil
	case fieldOn:
		return (*choice)(&frame.Muted), nil
	case fieldMuted:
		return &frame.Muted, nil
	case fieldKnocks:
		return &frame.placeEntering().Knocks, nil
	case fieldRoster:
		return &frame.placeListing().Roster, nil
	case fieldMore:
		return &frame.placeListing().More, nil
	case fieldOnline:
		return &frame.placeListing().Online, nil
	case fieldAway:
		return &frame.placeListing().Away, nil
	case fieldAfter:
		return &frame.placeListing().After, nil
	case fieldLimit:
		return &frame.placeListing().Limit, nil
	case fieldNumbers:
		return (*numbers)(&frame.Members), nil
	}
	panic("wire: no such field")
}

// nothingAside is what frames have aside that have nothing there. Nobody writes to it: who
// reads a field from the wire makes room for it first (needAside).
var nothingAside Aside

func (frame *Frame) placeAside() *Aside {
	if frame.Aside == nil {
		return &nothingAside
	}
	return frame.Aside
}

// needAside makes room for the field where that is aside.
func (frame *Frame) needAside(f field) {
	switch {
	case enteringFields.has(f):
		frame.NeedEntering()
	case listingFields.has(f):
		frame.NeedListing()
	case asideFields.has(f) && frame.Aside == nil:
		frame.Aside = new(Aside)
	}
}

var asideFields = set(fieldTopic, fieldExpires)

// isSet reports whether an optional field is to be written.
func isSet(value any, has *bool) bool {
	if has != nil && *has {
		return true
	}
	switch v := value.(type) {
	case *string:
		return *v != ""
	case *uint64:
		return *v != 0
	case *bool:
		return *v
	case *choice:
		return bool(*v)
	case *Role:
		return *v != 0
	case *State:
		return *v != 0
	case *Member:
		return v.State != 0
	case *[]Member:
		return len(*v) > 0
	case *failure:
		return v.Kind == FailedPayload
	case *Door:
		return *v != 0
	case *WaitingFor:
		return *v != 0
	case *Roster:
		return *v != 0
	case **Attributes:
		return *v != nil && len(**v) > 0
	case **Knocks:
		return *v != nil && len(**v) > 0
	case *numbers:
		return slices.ContainsFunc(*v, func(m Member) bool { return m.Number != 0 })
	}
	return false
}

// inRange reports whether the field may have the number. Those for which zero
// stands for "none" in a Frame cannot be given as zero.
func inRange(f field, n uint64) bool {
	switch {
	case n == 0:
		return f != fieldRef && f != fieldRequest && f != fieldReply && f != fieldExpires && f != fieldKnock && f != fieldLimit
	case f == fieldExpires:
		return n <= MaxExpires
	}
	return n <= MaxNumber
}
