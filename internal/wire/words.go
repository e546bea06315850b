package wire

import "strconv"

var roleWords = [...]string{
	Master: "master",
	Slave:  "slave",
}

var stateWords = [...]string{
	StateOnline: "online",
	StateAway:   "away",
	StateLeft:   "left",
}

// String returns the type's word in the text form.
func (t Type) String() string {
	if s := specOf(t); s != nil {
		return s.word
	}
	return "type " + strconv.Itoa(int(t))
}

// String returns the role's word in the text form, and nothing for zero.
func (r Role) String() string {
	if int(r) < len(roleWords) {
		return roleWords[r]
	}
	return "role " + strconv.Itoa(int(r))
}

// String returns the state's word in the text form, and nothing for zero.
func (s State) String() string {
	if int(s) < len(stateWords) {
		return stateWords[s]
	}
	return "state " + strconv.Itoa(int(s))
}

// typeOf returns the type of the word, or zero if there is none.
func typeOf(word []byte) Type {
	for t := range specs {
		if len(specs[t].word) == len(word) && specs[t].word == string(word) {
			return Type(t)
		}
	}
	return 0
}

// roleOf returns the role of the word, or zero if there is none.
func roleOf(word []byte) Role {
	switch string(word) {
	case "master":
		return Master
	case "slave":
		return Slave
	}
	return 0
}

// stateOf returns the state of the word, or zero if there is none.
func stateOf(word []byte) State {
	switch string(word) {
	case "online":
		return StateOnline
	case "away":
		return StateAway
	case "left":
		return StateLeft
	}
	return 0
}
