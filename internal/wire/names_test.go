package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

func TestValidName(t *testing.T) {
	tests := []struct {
		what, name string
		valid      bool
	}{
		{"a word", "abc123", true},
		{"one character", "x", true},
		{"punctuation alone", "#", true},
		{"a symbol", "€", true},
		{"spaces inside", "a  b", true},
		{"other scripts", "класс 7 β 教室", true},
		{"a letter with a mark", "e\u0301", true},
		{"the longest", strings.Repeat("x", wire.MaxName), true},
		{"the longest, of two bytes each", strings.Repeat("ä", wire.MaxName/2), true},
		{"empty", "", false},
		{"too long", strings.Repeat("x", wire.MaxName+1), false},
		{"too long in bytes, not in characters", strings.Repeat("ä", wire.MaxName/2) + "x", false},
		{"a space", " ", false},
		{"a space in front", " a", false},
		{"a space behind", "a ", false},
		{"a no-break space", "a\u00a0b", false},
		{"a line break", "a\nb", false},
		{"a tab", "a\tb", false},
		{"a zero byte", "a\x00", false},
		{"a delete", "a\x7f", false},
		{"a zero width space", "a\u200bb", false},
		{"a zero width joiner", "a\u200db", false},
		{"a change of direction", "a\u202eb", false},
		{"a byte order mark", "\ufeffa", false},
		{"half a character", "a\xc3", false},
		{"not UTF-8", "\xff", false},
		{"a surrogate", "\xed\xa0\x80", false},
		{"a mark alone", "\u0301", false},
		{"private use", "\ue000", false},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			require.Equal(t, test.valid, wire.ValidName(test.name), "%q", test.name)
		})
	}
}
