package wire

// A slot is where a decoder keeps the value of a field of the text form until
// the frame's type is known. The slot of most fields has the field's number.
// Where one name stands for two fields, by the type of the frame, it is one slot.
const (
	slotType    = 0
	slotMessage = int(lastField) + iota // the reason of an error
	slotText
	slotData
	slotBase64
	slotCount
)

// slotOf returns the slot of a name, or -1 if no frame has a field of the name.
func slotOf(name []byte) int {
	switch string(name) {
	case "type":
		return slotType
	case "ref":
		return int(fieldRef)
	case "channel":
		return int(fieldChannel)
	case "username":
		return int(fieldUsername)
	case "master":
		return int(fieldMaster)
	case "token":
		return int(fieldToken)
	case "resume":
		return int(fieldSecret)
	case "epoch":
		return int(fieldEpoch)
	case "from":
		return int(fieldFrom)
	case "to":
		return int(fieldTo)
	case "last":
		return int(fieldLast)
	case "seq":
		return int(fieldSeq)
	case "slaves":
		return int(fieldSlaves)
	case "private":
		return int(fieldPrivate)
	case "request":
		return int(fieldRequest)
	case "reply":
		return int(fieldReply)
	case "exists":
		return int(fieldExists)
	case "role":
		return int(fieldRole)
	case "state":
		return int(fieldState)
	case "master_timeout_ms":
		return int(fieldMasterTimeout)
	case "timeout_ms":
		return int(fieldTimeout)
	case "gap":
		return int(fieldGap)
	case "code":
		return int(fieldCode)
	case "missed":
		return int(fieldMissed)
	case "reason":
		return int(fieldReason)
	case "ban":
		return int(fieldBan)
	case "members":
		return int(fieldMembers)
	case "number":
		return int(fieldNumber)
	case "instance":
		return int(fieldInstance)
	case "seen":
		return int(fieldSeen)
	case "confirm_messages":
		return int(fieldConfirmMessages)
	case "confirm_bytes":
		return int(fieldConfirmBytes)
	case "topic":
		return int(fieldTopic)
	case "expires_ms":
		return int(fieldExpires)
	case "joined":
		return int(fieldJoined)
	case "failed":
		return int(fieldFailed)
	case "key":
		return int(fieldKey)
	case "attributes":
		return int(fieldAttributes)
	case "door":
		return int(fieldDoor)
	case "wait":
		return int(fieldWait)
	case "for":
		return int(fieldFor)
	case "knock":
		return int(fieldKnock)
	case "on":
		return int(fieldOn)
	case "muted":
		return int(fieldMuted)
	case "knocks":
		return int(fieldKnocks)
	case "stay":
		return int(fieldStay)
	case "roster":
		return int(fieldRoster)
	case "more":
		return int(fieldMore)
	case "online":
		return int(fieldOnline)
	case "away":
		return int(fieldAway)
	case "after":
		return int(fieldAfter)
	case "limit":
		return int(fieldLimit)
	case "message":
		return slotMessage
	case "text":
		return slotText
	case "data":
		return slotData
	case "base64":
		return slotBase64
	}
	return -1
}

// slotFor returns the slot of a field in frames of the type.
func slotFor(t Type, f field) int {
	switch {
	case f == fieldExpect:
		return int(fieldMaster)
	case f == fieldAsks:
		return int(fieldRequest)
	case f == fieldReason && t == Error:
		return slotMessage
	}
	return int(f)
}

// slotName is the name of the fields that are kept in the slot.
func slotName(slot int) string {
	switch slot {
	case slotType:
		return "type"
	case slotMessage:
		return "message"
	case slotText:
		return "text"
	case slotData:
		return "data"
	case slotBase64:
		return "base64"
	}
	return fieldNames[slot]
}
