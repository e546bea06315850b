package jsontext

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAValueIsTakenAsItIs(t *testing.T) {
	value, p := OneValue([]byte(" \t{\"a\": [1, 2e3, \"\\u00fc\"]}\n"))
	require.Empty(t, p)
	require.Equal(t, `{"a": [1, 2e3, "\u00fc"]}`, string(value))
	for data, want := range map[string]Problem{
		"": BadJSON, "{": BadJSON, "01": TrailingData, `"\ud800"`: BadEscape, "1 2": TrailingData, "\"\xff\"": NotUTF8,
	} {
		_, p := OneValue([]byte(data))
		require.Equal(t, want, p, "%q", data)
	}
}

func TestStringsComeBack(t *testing.T) {
	for _, s := range []string{"", "plain", "a\"b\\c\n\t\x00\x1f", "ü€😀", "\u2028\u2029"} {
		quoted := AppendQuoted(nil, s)
		value, p := OneValue(quoted)
		require.Empty(t, p)
		content, ok := StringOf(value)
		require.True(t, ok)
		require.Equal(t, s, string(content.Content()))
	}
	_, ok := StringOf([]byte("1"))
	require.False(t, ok)
	_, ok = StringOf(nil)
	require.False(t, ok)
}
