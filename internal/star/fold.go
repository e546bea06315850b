package star

// Fold returns the records of a group, of which those are dropped that tell a value of a key that
// a later one of the group tells anew: an attribute that changes often costs a group one record.
// Its earlier numbers have nothing then, as those of any change that was followed by another. The
// records are moved within the group.
func Fold(group []Record) []Record {
	kept := len(group)
	later := map[string]bool{}
	for i := len(group) - 1; i >= 0; i-- {
		r := group[i]
		switch kind := r.kind(); kind {
		case recordAttribute, recordMasterAttribute:
			d := &piecesIn{rest: []byte(r[1:])}
			d.number()
			d.bytes()
			key := string(r[:len(r)-len(d.rest)])
			if later[key] && d.err == nil {
				continue
			}
			later[key] = true
		case recordUp, recordDown, recordAnswered, recordConfirmed, recordSeat, recordPresence:
		default: // it may say something of all attributes that there are
			clear(later)
		}
		kept--
		group[kept] = r
	}
	return group[kept:]
}

func (r Record) kind() byte {
	if r == "" {
		return 0
	}
	return r[0]
}
