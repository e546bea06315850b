package hubfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// That a directory cannot be synced, as on some file systems such as that of /proc, or cannot be
// listed, is no reason to end a program that has loaded its file.
func TestDirectoriesThatCannotBeSynced(t *testing.T) {
	require.NoError(t, syncDirectory("/proc/self/state"))
	directory := t.TempDir()
	require.NoError(t, os.Chmod(directory, 0o300))
	defer func() { require.NoError(t, os.Chmod(directory, 0o700)) }()
	path := filepath.Join(directory, "state")
	require.NoError(t, Save(path, &content{text: "one"}))
	restored, err := Load(path, new(content))
	require.NoError(t, err)
	require.True(t, restored)
}
