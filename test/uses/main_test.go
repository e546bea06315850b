// Package uses has whole services, written as a user of the library would write them. Each is
// three files: NAME_test.go is all that it has to do with Lectern, NAME_logic_test.go what it
// would have to do with any library, and NAME_story_test.go plays it, and says what must come of it.
package uses

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a service has to do with Lectern is little: 150 lines of code.
func TestEachIsShort(t *testing.T) {
	for _, name := range []string{"quiz", "fleet"} {
		text, err := os.ReadFile(name + "_test.go")
		require.NoError(t, err)
		code := 0
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				code++
			}
		}
		require.LessOrEqual(t, code, 150, name)
		logic, err := parser.ParseFile(token.NewFileSet(), name+"_logic_test.go", nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, used := range logic.Imports {
			require.NotContains(t, used.Path.Value, "lectern", "%s: its logic knows nothing of it", name)
		}
	}
}
