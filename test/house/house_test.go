package house

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/lectern-go/lectern"

// root is the folder of the root package.
const root = "../.."

// mayImport tells for each package, by its folder, which other packages of the
// module it may import, tests aside. The root's folder is ".".
var mayImport = map[string][]string{
	".": {"cluster", "internal/client", "internal/hub", "internal/wire", "transport", "transport/memory"},

	"internal/hub":      {"cluster", "internal/cluster", "internal/delivery", "internal/outbox", "internal/star", "internal/wire", "internal/rate", "internal/linked", "transport"},
	"internal/client":   {"internal/outbox", "internal/wire", "transport"},
	"internal/delivery": {"internal/outbox", "internal/star", "internal/wire", "transport"},
	"internal/star":     {"internal/wire"},
	"internal/wire":     {"internal/jsontext"},
	"internal/jsontext": {},
	"internal/cluster":  {"cluster"},
	"internal/outbox":   {"transport"},
	"internal/direct":   {},
	"internal/rate":     {},
	"internal/linked":   {},
	"internal/origin":   {},
	"internal/request":  {},
	"internal/turn":     {},
	"internal/poll":     {"internal/linked"},

	"internal/engineio":  {"internal/linked", "internal/origin", "internal/turn", "internal/websocket", "transport"},
	"internal/websocket": {"internal/direct", "internal/poll", "internal/request", "internal/turn", "transport"},
	"internal/process":   {}, // as machine, for the modules bench and verify
	"internal/machine":   {},

	"transport":               {"internal/rate"},
	"transport/memory":        {"transport"},
	"transport/netconn":       {"transport", "internal/direct"},
	"transport/websocket":     {"transport", "internal/origin", "internal/request", "internal/websocket"},
	"transport/socketio":      {"transport", "internal/engineio", "internal/jsontext", "internal/linked", "internal/origin", "internal/request", "internal/wire"},
	"transport/httpstream":    {"transport", "internal/direct", "internal/linked", "internal/origin", "internal/poll", "internal/request"},
	"transport/transporttest": {"transport"},
	"cluster":                 {},
	"cluster/clustertest":     {"cluster"},
	"js":                      {},
	"hubfile":                 {},

	// What only tests import.
	"internal/memnet": {},
	"internal/faults": {"internal/memnet", "transport", "transport/memory"},
	"internal/stage":  {".", "cluster", "internal/memnet", "transport", "transport/httpstream", "transport/memory", "transport/netconn", "transport/websocket"},

	"transport/socketio/js/hub": {".", "transport", "transport/socketio"},

	"examples/chat":           {".", "transport", "transport/websocket"},
	"examples/classroom":      {".", "examples/classroom/page", "hubfile", "transport/httpstream", "transport/socketio", "transport/websocket"},
	"examples/classroom/page": {"js"}, // for examples in modules of their own, too
	"examples/desk":           {".", "transport", "transport/websocket"},
	"examples/fleet":          {".", "transport/netconn"},
	"examples/hub":            {".", "hubfile", "transport/httpstream", "transport/netconn", "transport/socketio", "transport/websocket"},
	"examples/socketio":       {".", "transport/socketio"},
}

// rulesMayUse are the packages that the rules may import beside the wire: none that
// locks, waits, logs, reads a clock, draws randomness or does I/O.
var rulesMayUse = []string{
	"bytes", "cmp", "crypto/sha256", "crypto/subtle", "encoding/binary", "errors", "fmt", "hash/crc32", "iter", "maps", "math", "slices", "time",
}

// rulesMayUseOfTime is what they may use of the package time: values, and no clock.
var rulesMayUseOfTime = []string{"Duration", "Millisecond", "Second", "Time", "Unix"}

// listed is what go list tells of a package.
type listed struct {
	ImportPath  string
	Imports     []string
	GoFiles     []string
	TestGoFiles []string
}

func packages(t *testing.T) map[string]listed {
	command := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles,TestGoFiles", "./...")
	command.Dir = root
	out, err := command.Output()
	require.NoError(t, err)
	all := make(map[string]listed)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else {
			require.NoError(t, err)
		}
		all[folder(p.ImportPath)] = p
	}
}

// folder is that of a package of the module, and empty for others.
func folder(path string) string {
	if path == module {
		return "."
	}
	within, _ := strings.CutPrefix(path, module+"/")
	if within == path {
		return ""
	}
	return within
}

func TestImportsGoDownThePicture(t *testing.T) {
	found := make(map[string]bool)
	for name, p := range packages(t) {
		found[name] = true
		if strings.HasPrefix(name, "test/") {
			require.Empty(t, p.GoFiles, "%s: the folders of test hold tests alone", name)
			continue
		}
		allowed, known := mayImport[name]
		require.True(t, known, "say in this test, and draw in CONTRIBUTING.md, what %s may import", name)
		for _, path := range p.Imports {
			if within := folder(path); within != "" {
				require.Contains(t, allowed, within, "%s imports %s, which is not beneath it", name, within)
			}
		}
	}
	for name := range mayImport {
		require.True(t, found[name], "there is no package %s any more", name)
	}
}

func TestTheRulesNeitherWaitNorLook(t *testing.T) {
	p := packages(t)["internal/star"]
	for _, path := range p.Imports {
		if folder(path) == "" {
			require.Contains(t, rulesMayUse, path, "internal/star imports %s", path)
		}
	}
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal/star", name), nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" {
					require.Contains(t, rulesMayUseOfTime, n.Sel.Name, "%s uses time.%s", name, n.Sel.Name)
				}
			case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt:
				require.Fail(t, "the rules start no goroutine and wait for nothing", name)
			}
			return true
		})
	}
}

// The root is what a user reads: few files, and little in them that is not said to
// the user.
func TestTheRootIsSmall(t *testing.T) {
	p := packages(t)["."]
	require.LessOrEqual(t, len(p.GoFiles), 12)
	code := 0
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				code++
			}
		}
	}
	require.LessOrEqual(t, code, 1200)
	tests, err := filepath.Glob(filepath.Join(root, "*_test.go"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(tests), 4)
	require.True(t, slices.ContainsFunc(tests, func(path string) bool { return filepath.Base(path) == "channel_test.go" }))
}
