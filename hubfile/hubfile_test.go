package hubfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// content is a hub that exports itself, or an error behind it.
type content struct {
	text string
	err  error
}

func (c *content) Export(w io.Writer) error {
	_, err := io.WriteString(w, c.text)
	return errors.Join(err, c.err)
}

func (c *content) Restore(r io.Reader) error {
	text, err := io.ReadAll(r)
	c.text = string(text)
	return errors.Join(err, c.err)
}

func names(t *testing.T, directory string) (names []string) {
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestAFileIsLoadedOnce(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "state")
	restored, err := Load(path, new(content))
	require.NoError(t, err)
	require.False(t, restored, "there is no file")
	require.NoError(t, Save(path, &content{text: "one"}))
	require.NoError(t, Save(path, &content{text: "two"}))
	require.Equal(t, []string{"state"}, names(t, directory))
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
	hub := new(content)
	restored, err = Load(path, hub)
	require.NoError(t, err)
	require.True(t, restored)
	require.Equal(t, "two", hub.text)
	require.Empty(t, names(t, directory))
	restored, err = Load(path, hub)
	require.NoError(t, err)
	require.False(t, restored)
}

// What cannot be saved leaves what was there, and nothing beside it.
func TestAnErrorLeavesTheFile(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "state")
	require.NoError(t, Save(path, &content{text: "one"}))
	broken := errors.New("broken")
	require.ErrorIs(t, Save(path, &content{text: "two", err: broken}), broken)
	require.Equal(t, []string{"state"}, names(t, directory))

	restored, err := Load(path, &content{err: broken})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, path)
	require.False(t, restored)
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(kept, []byte("one")))

	require.ErrorContains(t, Save(filepath.Join(directory, "nowhere", "state"), &content{}), "saving the hub")
	restored, err = Load(directory, new(content))
	require.Error(t, err, "a directory")
	require.False(t, restored)
}
