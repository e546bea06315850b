// Package names has functions for lectern.Policy.Name, made of golang.org/x/text: they take
// names that look alike, or mean the same, for one. The hub compares names byte by byte;
// so whatever is to be the same has to be made the same before.
//
// Each returns a name that it would return again as it is.
package names

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"github.com/lectern-go/lectern"
)

// NFC takes the ways to write a character for one: "é" as one character, and as "e" with an
// accent behind it. It refuses nothing, and what people see stays as they have typed it.
func NFC(_ lectern.NameKind, name string) (string, error) {
	return norm.NFC.String(name), nil
}

// Folded takes small and capital letters for the same as well, in every script. What people
// see is the folded name: "Ada" is "ada", and "Straße" is "strasse".
func Folded(_ lectern.NameKind, name string) (string, error) {
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(name))), nil
}

// PRECIS holds names to the profiles of RFC 8265 and 8266. A username is one of
// UsernameCaseMapped: letters and digits without spaces, in small letters, and wide
// characters are narrow ones; a joiner is only where its script needs it. A channel's name
// is a Nickname: spaces are plain ones, and one where there are several.
func PRECIS(kind lectern.NameKind, name string) (string, error) {
	profile := precis.UsernameCaseMapped
	if kind == lectern.NameOfChannel {
		profile = precis.Nickname
	}
	given, err := profile.String(name)
	if err != nil {
		return "", lectern.ErrBadName.WithText(string(kind) + ": only letters and digits are possible here")
	}
	return given, nil
}
