package main

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMutants(t *testing.T) {
	for body, expected := range map[string][]string{
		"if ok {}":                    {"inverted: ok → !ok", "removed: ok → false"},
		"if !ok {}":                   {"inverted: !ok → ok", "removed: !ok → false"},
		"if ( a == b ) {}":            {"removed: a == b → false", "inverted: a == b → a != b"},
		"if !(a == b) {}":             {"removed: !(a == b) → false", "inverted: a == b → a != b"},
		"for i < n {}":                {"removed: i < n → false", "boundary: i < n → i <= n", "inverted: i < n → i >= n"},
		"for {}":                      nil,
		"for range n {}":              nil,
		"x = i > n":                   {"boundary: i > n → i >= n", "inverted: i > n → i <= n"},
		"const x = 1 >= 2":            nil,
		"x = a + b*c":                 nil,
		"x = f(\n\ta <= b,\n)":        {"boundary: a <= b → a < b", "inverted: a <= b → a > b"},
		"switch { case a, b: }":       {"inverted: a → !a", "removed: a → false", "inverted: b → !b", "removed: b → false"},
		"switch { default: }":         nil,
		"switch n { default: }":       nil,
		"switch n { case 1+2: }":      {"inverted: case 1+2 → any case but 1+2", "removed: case 1+2 → no case 1+2"},
		"switch a { case b<c: }":      {"inverted: case b<c → any case but b<c", "removed: case b<c → no case b<c", "boundary: b<c → b <= c"},
		"switch v.(type) { case T: }": nil,
		"x = a ||\n\tb": {
			"left-dropped: a || b → b", "right-dropped: a || b → a", "swapped: a || b → a && b",
		},
		"x = a || b || c": {
			"left-dropped: a || b → b", "right-dropped: a || b → a", "swapped: a || b → a && b",
			"left-dropped: a || b || c → c", "right-dropped: a || b || c → a || b", "swapped: a || b || c → (a || b) && c",
		},
		"if a && b {}": {
			"inverted: a && b → !(a && b)", "removed: a && b → false",
			"left-dropped: a && b → b", "right-dropped: a && b → a", "swapped: a && b → a || b",
		},
		"if <-c {}": {"inverted: <-c → !<-c", "removed: <-c → false"},
	} {
		_, mutants, err := readSource("p.go", []byte("package p\n\nfunc (t *T[A]) f() {\n"+body+"\n}\n"))
		require.NoError(t, err, body)
		var found []string
		for _, m := range mutants {
			require.Equal(t, "p.T.f", m.function)
			found = append(found, fmt.Sprintf("%s: %s → %s", m.kind, m.before, m.after))
		}
		require.Equal(t, expected, found, body)
	}
}

// Each mutant of a condition is what it says, and none is in effect without its
// number, for all values of the variables.
func TestMutantsDoWhatTheySay(t *testing.T) {
	for _, condition := range []string{
		"p", "!p", "p && q", "p || q", "!(p && q)", "p && q && r", "p || q && r", "(p || q) && r", "p || q || !r",
		"i < j", "i <= j", "i > j", "i >= j", "i == j", "i != j", "!(i == j)",
		"i < j && p", "p || !(i >= j || q)", "p == (i < j)", "p && i == j || !p && j > 1",
	} {
		text := "package p\n\nvar _ = func() { if " + condition + " {} }\n"
		s, mutants, err := readSource("p.go", []byte(text))
		require.NoError(t, err)
		for i, m := range mutants {
			m.number = i + 1
		}
		from := strings.Index(text, "if ") + len("if ")
		instrumented := s.rewrite(from, from+len(condition), nil)
		for values := range 8 * 4 {
			given := fmt.Sprintf("package p\nconst p, q, r, i, j = %t, %t, %t, %d, %d\n",
				values&1 > 0, values&2 > 0, values&4 > 0, values>>3&1, values>>4&1)
			require.Equal(t, evaluate(t, given, condition, 0), evaluate(t, given, instrumented, 0), condition)
			for _, at := range s.sites {
				for _, m := range at.mutants {
					changed := text[from:at.from] + "(" + m.after + ")" + text[at.to:from+len(condition)]
					require.Equal(t, evaluate(t, given, changed, 0), evaluate(t, given, instrumented, m.number),
						"%s in %s, %s", m, condition, given)
				}
			}
		}
	}
}

// evaluate computes a condition of constants.
func evaluate(t *testing.T, given, condition string, number int) bool {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "p.go", given+fmt.Sprintf("const %s = %d\n", chosen, number), 0)
	require.NoError(t, err)
	checked, err := (&types.Config{Importer: importer.Default()}).Check("p", files, []*ast.File{file}, nil)
	require.NoError(t, err)
	value, err := types.Eval(files, checked, token.NoPos, condition)
	require.NoError(t, err, condition)
	return value.Value.String() == "true"
}
