package wire

import "github.com/lectern-go/lectern/internal/jsontext"

// MaxDepth is how many arrays and objects may be open at once in the value of a
// field. The frame's own object does not count.
const MaxDepth = jsontext.MaxDepth

// ValidData reports whether data can be the content of a DataPayload: one JSON
// value in UTF-8, nested no deeper than MaxDepth, whose strings hold whole
// characters. Space around the value is no part of it, and is lost on the way.
func ValidData(data []byte) bool {
	_, p := jsontext.OneValue(data)
	return p == ""
}
