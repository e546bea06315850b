package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "equivalent.txt")
	read := func(text string) (accepted, error) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return readAccepted(path, "star")
	}
	list, err := read("# for readers\n\n" +
		"removed star.Channel.join `a == b || c`: it is: so\n" +
		"removed#2 star.Channel.join `a == b || c`: so, too\n" +
		"boundary outbox.Queue.add `n > 0`: of another package\n")
	require.NoError(t, err)
	require.Equal(t, accepted{
		"removed star.Channel.join `a == b || c`":   "it is: so",
		"removed#2 star.Channel.join `a == b || c`": "so, too",
	}, list)
	there := &mutant{kind: removed, function: "star.Channel.join", before: "a == b || c", occurrence: 2}
	require.Equal(t, []string{"removed star.Channel.join `a == b || c`"}, list.unknown([]*mutant{there}))

	for text, words := range map[string]string{
		"removed star.join `a`: ":                          ":1: there is no reason",
		"removed star.join `a`":                            ":1: an entry is",
		"removed star.join a: why":                         ":1: an entry is",
		"removed `a`: why":                                 ":1: an entry is",
		"removed star.f `a`: b\n\nremoved star.f `a`: c\n": ":3: this is listed twice",
	} {
		_, err := read(text)
		require.ErrorContains(t, err, words, text)
	}
}

// The list that comes with the command can be read.
func TestTheList(t *testing.T) {
	_, err := readAccepted("equivalent.txt", "star")
	require.NoError(t, err)
}
