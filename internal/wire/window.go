package wire

// How many answers the hub remembers for each member. A client must not have
// more sends unanswered than that, or it could not learn after a resume what
// became of them; the library's client keeps to it.
const (
	MasterAnswers = 256
	SlaveAnswers  = 32
)
