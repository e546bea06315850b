package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path/filepath"
	"strings"

	"github.com/lectern-go/lectern/verify/internal/testbinary"
)

// The names in the instrumented package.
const (
	// variable is the one of the environment that chooses the mutant.
	variable = "MUTANT"
	chosen   = "mutantInEffect"
	tag      = "mutantTag"
)

// starter is the file that the instrumented package has in addition. Variables of
// a package are set in the order in which they need each other, so the choice is
// made before anything asks for it.
const starter = `package %s

import (
	mutantOS "os"
	mutantNumbers "strconv"
)

var ` + chosen + ` = func() int {
	given := mutantOS.Getenv("` + variable + `")
	if given == "" {
		return 0
	}
	number, err := mutantNumbers.Atoi(given)
	if err != nil {
		panic("` + noMutant + `")
	}
	return number
}()
`

// noMutant is what the instrumented package says where the choice is not a number.
const noMutant = "this is the number of no mutant"

// writeOverlay writes the instrumented package to the folder, and returns the
// path of what go build takes as -overlay.
func writeOverlay(folder, dir, name string, sources []*source) (string, error) {
	files := map[string]string{filepath.Join(dir, "mutant_in_effect.go"): fmt.Sprintf(starter, name)}
	for _, s := range sources {
		files[filepath.Join(dir, filepath.Base(s.path))] = s.instrumented()
	}
	return testbinary.Overlay(folder, files)
}

// instrumented is the file with all its mutants in it, none of which is in
// effect until one is chosen.
//
// Everything that is added compares with the number of the one in effect, and such
// a comparison is an untyped boolean. So the types stay what they were; the one
// exception is && and || of a boolean type with a name of its own, which is
// bool now where nothing else says what it is.
func (s *source) instrumented() string { return s.rewrite(0, len(s.text), nil) }

// rewrite is the source between two places. The outermost of the sites there are
// rewritten, and in turn what they contain.
func (s *source) rewrite(from, to int, except *site) string {
	var text strings.Builder
	for _, at := range s.sites {
		if at != except && at.from >= from && at.to <= to {
			text.Write(s.text[from:at.from])
			text.WriteString(s.rewriteSite(at))
			from = at.to
		}
	}
	text.Write(s.text[from:to])
	return text.String()
}

func (s *source) rewriteSite(at *site) string {
	if at.switched != nil {
		return s.rewriteSwitch(at)
	}
	var text string
	binary, ok := at.expr.(*ast.BinaryExpr)
	switch {
	case ok && opposites[binary.Op] != 0:
		text = s.rewriteComparison(at, binary)
	case ok && swaps[binary.Op] != 0:
		text = s.rewriteJoin(at, binary)
	default:
		text = "(" + s.rewrite(at.from, at.to, at) + ")"
	}
	if at.tagged {
		text = "(" + tag + " == " + text + ")"
	}
	if m := at.mutants[inverted]; m != nil {
		text = "(" + text + " != " + is(m) + ")"
	}
	if m := at.mutants[removed]; m != nil {
		text = "(" + isNot(m) + " && " + text + ")"
	}
	return text
}

// rewriteComparison has the comparison twice where its boundary moves. Only one of
// the two is evaluated.
func (s *source) rewriteComparison(at *site, n *ast.BinaryExpr) string {
	x, y := s.rewriteNode(n.X), s.rewriteNode(n.Y)
	plain := s.joined(n, x, n.Op, y)
	m := at.mutants[boundary]
	if m == nil {
		return "(" + plain + ")"
	}
	return "(" + is(m) + " && " + s.joined(n, x, neighbours[n.Op], y) + " || " + isNot(m) + " && " + plain + ")"
}

// rewriteJoin makes use of a || b being !(!a && !b), which also evaluates b in the
// same cases, and the reverse. So nothing has to be written twice.
func (s *source) rewriteJoin(at *site, n *ast.BinaryExpr) string {
	swap := is(at.mutants[swapped])
	operand := func(e ast.Expr, dropped *mutant) string {
		text := s.rewriteNode(e)
		if n.Op == token.LAND {
			text = is(dropped) + " || " + text
		} else {
			text = isNot(dropped) + " && (" + text + ")"
		}
		return "((" + text + ") != " + swap + ")"
	}
	x, y := operand(n.X, at.mutants[leftDropped]), operand(n.Y, at.mutants[rightDropped])
	return "((" + s.joined(n, x, n.Op, y) + ") != " + swap + ")"
}

// joined keeps what stands between the operands, line ends and comments.
func (s *source) joined(n *ast.BinaryExpr, x string, op token.Token, y string) string {
	operator := int(n.OpPos - s.start)
	_, left := s.place(n.X)
	right, _ := s.place(n.Y)
	return x + string(s.text[left:operator]) + op.String() + string(s.text[operator+len(n.Op.String()):right]) + y
}

// rewriteSwitch makes conditions of a switch's cases. The value is evaluated once,
// after the statement before it, as it was; a break still leaves the whole.
func (s *source) rewriteSwitch(at *site) string {
	n := at.switched
	value, behind := s.place(n.Tag)
	text := "switch " + tag + " := (" + s.rewriteNode(n.Tag) + "); " + s.rewrite(behind, at.to, at)
	if n.Init == nil {
		return text
	}
	return s.rewrite(at.from, value, at) + "{ default: " + text + " }"
}

func (s *source) rewriteNode(n ast.Node) string {
	from, to := s.place(n)
	return s.rewrite(from, to, nil)
}

func is(m *mutant) string    { return fmt.Sprintf("(%s == %d)", chosen, m.number) }
func isNot(m *mutant) string { return fmt.Sprintf("(%s != %d)", chosen, m.number) }
