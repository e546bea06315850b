package hubfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
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
	restored, err = Load(filepath.Join(directory, "nowhere", "state"), new(content))
	require.ErrorContains(t, err, "nowhere", "it could not be saved there either")
	require.False(t, restored)
	require.ErrorIs(t, Save("", new(content)), errNoPath)
	_, err = Load("", new(content))
	require.ErrorIs(t, err, errNoPath)
	require.ErrorContains(t, Save(directory, new(content)), "no regular file")
	restored, err = Load(directory, new(content))
	require.Error(t, err, "a directory")
	require.False(t, restored)
}

// A symbolic link stays one, and of what it leads to nothing is left to be loaded again.
func TestALinkStays(t *testing.T) {
	directory, elsewhere := t.TempDir(), t.TempDir()
	path := filepath.Join(directory, "state")
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "real"), filepath.Join(directory, "link")))
	require.NoError(t, os.Symlink("link", path))
	for range 2 {
		restored, err := Load(path, new(content))
		require.NoError(t, err)
		require.False(t, restored)
		require.NoError(t, Save(path, &content{text: "one"}))
		require.Equal(t, []string{"real"}, names(t, elsewhere))
		restored, err = Load(path, new(content))
		require.NoError(t, err)
		require.True(t, restored)
		require.Empty(t, names(t, elsewhere))
		require.Equal(t, []string{"link", "state"}, names(t, directory))
	}
	around := filepath.Join(directory, "around")
	require.NoError(t, os.Symlink(around, around))
	_, err := Load(around, new(content))
	require.ErrorContains(t, err, "around")
}

// What one has another does not get, of eight at once, again and again, and nothing is left.
func TestALockHasOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	unlock, err := Lock(path)
	require.NoError(t, err)
	_, err = Lock(path)
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, path+".lock")
	unlock()
	unlock()
	for range 20 {
		const programs = 8
		unlocks, start := make(chan func(), programs), make(chan struct{})
		var starting sync.WaitGroup
		for range programs {
			starting.Go(func() {
				<-start
				if unlock, err := Lock(path); err == nil {
					unlocks <- unlock
				} else if !errors.Is(err, ErrLocked) {
					t.Error(err)
				}
			})
		}
		close(start)
		starting.Wait()
		require.Len(t, unlocks, 1)
		(<-unlocks)()
		require.Empty(t, names(t, filepath.Dir(path)))
	}
	_, err = Lock(filepath.Join(filepath.Dir(path), "nowhere", "state"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
