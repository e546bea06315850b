package wire

import "slices"

// Listing is what frames have that are about how a master is told of its slaves. Few frames are.
type Listing struct {
	// Roster is, in Create, Join and Resume, how the client wants to be told of its slaves as a
	// master. Zero: by whole lists.
	Roster Roster
	// More is, in Created, Members and Awaiting, set where the list goes on in another page.
	More bool
	// Online and Away are, in Created and Members, how many slaves there are in either state.
	Online, Away uint64
	// After is, in Members and Awaiting, the number of the membership behind which the page begins, and Limit how
	// many entries it may have, where a page is asked for. A Limit of zero asks for the whole list.
	After, Limit uint64
}

// Roster is how a master is told of its slaves.
type Roster uint8

const (
	// RosterList is by each change, and by whole lists.
	RosterList Roster = 0
	// RosterPages is by each change, and by lists in pages of MaxPage entries.
	RosterPages Roster = 1
	// RosterCount is by numbers alone.
	RosterCount Roster = 2
)

// MaxPage is how many entries a page of a list has at most: some 30 KB with names of 16 bytes.
const MaxPage = 1024

const badRoster problem = "neither pages nor count"

var rosterWords = [...]string{RosterPages: "pages", RosterCount: "count"}

// String returns the word in the text form, and nothing for zero.
func (r Roster) String() string { return wordOf(rosterWords[:], int(r)) }

// Listing is what the frame has of how a master is told of its slaves, to read.
func (frame *Frame) Listing() Listing {
	if l := frame.aside().Listing; l != nil {
		return *l
	}
	return Listing{}
}

// NeedListing returns what the frame has of how a master is told of its slaves, and makes it first where
// there is nothing.
func (frame *Frame) NeedListing() *Listing {
	if frame.Aside == nil {
		frame.Aside = new(Aside)
	}
	if frame.Aside.Listing == nil {
		frame.Aside.Listing = new(Listing)
	}
	return frame.Aside.Listing
}

// nothingListing is as nothingAside.
var nothingListing Listing

func (frame *Frame) placeListing() *Listing {
	if l := frame.placeAside().Listing; l != nil {
		return l
	}
	return &nothingListing
}

var listingFields = set(fieldRoster, fieldMore, fieldOnline, fieldAway, fieldAfter, fieldLimit)

func (r *Roster) decodeBinary(content []byte) problem {
	n, p := wholeNumber(content)
	if p != "" || n != uint64(RosterPages) && n != uint64(RosterCount) {
		return badRoster
	}
	*r = Roster(n)
	return ""
}

func (r *Roster) decodeText(value jsonValue) problem {
	word, _ := value.str()
	if *r = Roster(slices.Index(rosterWords[1:], string(word.Content())) + 1); *r == 0 {
		return badRoster
	}
	return ""
}
