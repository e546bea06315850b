package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each variant breaks what is there: its old texts are in the sources exactly once.
func TestVariantsBreakWhatIsThere(t *testing.T) {
	names := make(map[string]bool)
	for _, v := range variants() {
		require.False(t, names[v.name], v.name)
		names[v.name] = true
		require.NotEmpty(t, v.of, v.name)
		require.NotEmpty(t, v.broken, v.name)
		files, err := v.apply("../..")
		require.NoError(t, err)
		require.NotEmpty(t, files, v.name)
	}
}

// What is not there, or more than once, is said.
func TestTextThatIsNotThereOnce(t *testing.T) {
	for _, old := range []string{"that is nowhere", "require"} {
		v := variant{name: "one", edits: []edit{{"verify/go.mod", old, ""}}}
		_, err := v.apply("../..")
		require.ErrorContains(t, err, "one: verify/go.mod has the text that is to be broken")
	}
}
