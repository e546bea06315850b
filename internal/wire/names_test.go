package wire_test

import (
	"fmt"
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

		{"a name like its master's, and nothing to be seen", "alice\u3164", false},
		{"a filler alone", "\u3164", false},
		{"a filler in front", "\uffa0alice", false},
		{"a selector of variants", "alice\ufe00", false},
		{"a selector of emoji behind a letter", "alice\ufe0f", false},
		{"a selector of emoji behind a digit", "7\ufe0f", false},
		{"a selector of variants of ideographs", "\u845b\U000e0100", false},
		{"a joiner of graphemes", "a\u034fb", false},
		{"a note without a head", "a\U0001d159", false},
		{"a soft hyphen", "a\u00adb", false},
		{"a space of typography", "a\u2003b", false},
		{"a line separator", "a\u2028b", false},

		{"the space of a Japanese keyboard", "山田\u3000太郎", true},
		{"that at an end", "山田\u3000", false},
		{"that in front", "\u3000山田", false},
		{"that alone", "\u3000", false},
		{"the space of Ogham", "ᚁ\u1680ᚂ", true},
		{"the space of Mongolian", "ᠮᠣᠩᠭᠣᠯ\u202fᠤᠨ", true},
		{"the space of Braille", "⠁\u2800⠃", true},
		{"that alone, which is a symbol", "\u2800", false},
		{"marks between spaces", "\u0301 \u0301", false},

		{"Persian", "می\u200cخواهم", true},
		{"Persian with vowels", "مِی\u200cخوَاهَم", true},
		{"Arabic behind a vowel", "کِ\u200dک", true},
		{"Sinhala", "ක්\u200dෂ", true},
		{"Malayalam, in a word", "കാന്\u200dവാസ്", true},
		{"Malayalam, at the end of a word", "അവന്\u200d", true},
		{"Malayalam, with two joiners", "അവന്\u200d\u200d", false},
		{"Bengali", "র\u200d্যাব", true},
		{"Hindi", "क्\u200cष", true},
		{"a joiner alone", "\u200d", false},
		{"a joiner in front", "\u200cخواهم", false},
		{"a joiner at the end", "می\u200c", false},
		{"two joiners", "می\u200c\u200cخواهم", false},
		{"a joiner before a space", "می\u200c خواهم", false},
		{"a joiner between Latin letters", "al\u200cice", false},
		{"a joiner between Cyrillic letters", "кл\u200dасс", false},
		{"a joiner between ideographs", "山\u200d田", false},
		{"a joiner between kana", "か\u200dな", false},
		{"a joiner between digits", "1\u200d2", false},
		{"a joiner between marks of Latin", "e\u0301\u200d\u0301", false},

		{"emoji", "😀 ok", true},
		{"a heart in colour", "ada ❤\ufe0f", true},
		{"a heart in colour, twice", "❤\ufe0f\ufe0f", false},
		{"what an emoji does not need", "😀\ufe0f", false},
		{"what keyboards write with a star", "⭐\ufe0f", true},
		{"a key", "7\ufe0f\u20e3", true},
		{"a family", "👨\u200d👩\u200d👧", true},
		{"a rainbow flag", "🏳\ufe0f\u200d🌈", true},
		{"with a tone of skin", "👩🏽\u200d⚕\ufe0f", true},
		{"a head that shakes", "🙂\u200d↔\ufe0f", true},
		{"a flag of two letters", "🇳🇴", true},
		{"the flag of Wales", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f", true},
		{"another black flag", "🏴\U000e0067\U000e007f", false},
		{"tags behind a letter", "a\U000e0067\U000e007f", false},
		{"a joiner behind an emoji", "😀\u200d", false},
		{"a joiner between an emoji and a letter", "😀\u200da", false},
		{"a joiner between symbols", "+\u200d+", false},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			require.Equal(t, test.valid, wire.ValidName(test.name), "%q", test.name)
		})
	}
}

// Whatever is not seen distinguishes no names: behind a name, in front of it or within it
// nothing is valid that has no width. The list is Unicode's, less what is not even printed.
func TestNoNameDiffersByWhatIsNotSeen(t *testing.T) {
	count := 0
	for _, span := range [][2]rune{
		{0x34f, 0x34f}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180d}, {0x180f, 0x180f}, {0x3164, 0x3164},
		{0xfe00, 0xfe0f}, {0xffa0, 0xffa0}, {0xe0100, 0xe01ef},
	} {
		for r := span[0]; r <= span[1]; r++ {
			count++
			for _, name := range []string{string(r), "alice" + string(r), string(r) + "alice", "al" + string(r) + "ice", string(r) + string(r)} {
				require.False(t, wire.ValidName(name), "%+q", name)
				require.Contains(t, wire.NameProblem(name), fmt.Sprintf("U+%04X", r))
			}
		}
	}
	require.Equal(t, 267, count)
}

func TestNameProblemSaysWhatAndWhere(t *testing.T) {
	for name, problem := range map[string]string{
		"":                       "it is empty",
		strings.Repeat("x", 200): "it has 200 bytes, and at most 128 are possible",
		"a\xff":                  "it is not UTF-8",
		"ada\u3164":              "its character 4, U+3164, cannot be seen: leave it out",
		" ada":                   "its character 1, U+0020, is a space at the end of it, or in front: leave it out",
		"ä\u3000":                "its character 2, U+3000, is a space at the end of it, or in front: leave it out",
		"a\u00a0b":               "its character 2, U+00A0, is a space of another kind: write a plain one",
		"a\u200db":               "its character 2, U+200D, is a joiner where it joins nothing: leave it out",
		"a\x1b[2J":               "its character 2, U+001B, is not a character that can be seen: leave it out",
		"\u0301":                 "it has no letter, number, punctuation mark or symbol",
		"a\u0378":                "its character 2, U+0378, is not known as a character that can be seen",
	} {
		require.Equal(t, problem, wire.NameProblem(name), "%+q", name)
	}
	require.EqualError(t, wire.BadName("username", ""), "lectern: bad_name: username: it is empty")
}

func TestQuoteIsShort(t *testing.T) {
	require.Equal(t, `"ada"`, wire.Quote("ada"))
	require.Equal(t, `"ada\u200d\n"`, wire.Quote("ada\u200d\n"))
	require.Equal(t, `"`+strings.Repeat("x", 64)+`"… (100000 bytes)`, wire.Quote(strings.Repeat("x", 100_000)))
	require.Equal(t, `"`+strings.Repeat("x", 63)+`"… (131 bytes)`, wire.Quote(strings.Repeat("x", 63)+strings.Repeat("ä", 34)))
	require.Less(t, len(wire.Quote(strings.Repeat("\x00", 100_000))), 300)
}
