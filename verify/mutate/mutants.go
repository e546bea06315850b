package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// kind is what a mutant does to an expression.
type kind string

const (
	// removed: the condition is never true, so what it guards is never done.
	removed kind = "removed"
	// inverted: what was true is false.
	inverted kind = "inverted"
	// boundary: the comparison takes in what was just outside, or the reverse.
	boundary kind = "boundary"
	// swapped: && is || and the reverse.
	swapped      kind = "swapped"
	leftDropped  kind = "left-dropped"
	rightDropped kind = "right-dropped"
)

// opposites has every comparison with the one that is true where it is not.
var opposites = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.LSS: token.GEQ, token.GEQ: token.LSS,
	token.GTR: token.LEQ, token.LEQ: token.GTR,
}

// neighbours has the comparisons that differ only where both sides are equal.
var neighbours = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS,
	token.GTR: token.GEQ, token.GEQ: token.GTR,
}

// swaps has the two that join conditions.
var swaps = map[token.Token]token.Token{token.LAND: token.LOR, token.LOR: token.LAND}

// mutant is one change of the source.
type mutant struct {
	// number chooses it in the instrumented package. It starts at 1.
	number int
	at     token.Position
	kind   kind
	// function is where it is, with the package's name.
	function string
	// before and after are the expression, on one line.
	before, after string
	// occurrence tells those apart that are the same in all of this but the place.
	occurrence int
}

// id names the mutant in the source as it is.
func (m *mutant) id() string {
	return fmt.Sprintf("%s:%d:%d:%s", filepath.Base(m.at.Filename), m.at.Line, m.at.Column, m.kind)
}

// isIn reports whether the mutant is in the file of that name.
func (m *mutant) isIn(file string) bool { return filepath.Base(m.at.Filename) == file }

// key names the mutant by what does not change with lines that are written elsewhere.
func (m *mutant) key() string {
	kind := string(m.kind)
	if m.occurrence > 1 {
		kind = fmt.Sprintf("%s#%d", kind, m.occurrence)
	}
	return fmt.Sprintf("%s %s `%s`", kind, m.function, m.before)
}

func (m *mutant) String() string { return fmt.Sprintf("%s: %s → %s", m.id(), m.before, m.after) }

// site is an expression that mutants change, or a switch that must be written
// in another way so that its cases can be changed.
type site struct {
	from, to int
	expr     ast.Expr
	mutants  map[kind]*mutant
	// tagged is set for a case of a switch that has a value to compare with.
	tagged   bool
	switched *ast.SwitchStmt
}

// source is one file, and where it can be changed.
type source struct {
	path     string
	text     []byte
	file     *ast.File
	start    token.Pos
	sites    []*site
	function string
	byExpr   map[ast.Expr]*site
}

// readPackage finds the mutants of a package's files, without its tests, in the order of
// the source.
func readPackage(dir string) (name string, sources []*source, mutants []*mutant, err error) {
	found, err := build.ImportDir(dir, 0)
	if err != nil {
		return "", nil, nil, err
	}
	for _, file := range found.GoFiles {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		if err != nil {
			return "", nil, nil, err
		}
		s, more, err := readSource(path, text)
		if err != nil {
			return "", nil, nil, err
		}
		sources, mutants = append(sources, s), append(mutants, more...)
	}
	occurrences := make(map[string]int)
	for i, m := range mutants {
		m.number = i + 1
		key := m.key()
		occurrences[key]++
		m.occurrence = occurrences[key]
	}
	return found.Name, sources, mutants, nil
}

// readSource finds the mutants of one file.
func readSource(path string, text []byte) (*source, []*mutant, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return nil, nil, err
	}
	s := &source{path: path, text: text, file: file, start: file.FileStart, byExpr: make(map[ast.Expr]*site)}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			s.function = file.Name.Name + "." + functionName(d)
			ast.Inspect(d, s.visit)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if value, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
					s.function = file.Name.Name + "." + value.Names[0].Name
					ast.Inspect(value, s.visit)
				}
			}
		}
	}
	var mutants []*mutant
	for _, at := range s.sites {
		for _, m := range at.mutants {
			m.at = files.Position(s.start + token.Pos(m.at.Offset))
			mutants = append(mutants, m)
		}
	}
	slices.SortFunc(mutants, func(a, b *mutant) int {
		if a.at.Offset != b.at.Offset {
			return a.at.Offset - b.at.Offset
		}
		return strings.Compare(string(a.kind), string(b.kind))
	})
	// One that contains another comes before it, which is how they are written (text).
	slices.SortStableFunc(s.sites, func(a, b *site) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	return s, mutants, nil
}

func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	receiver := d.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.ParenExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}

// visit sees what contains before what is contained.
func (s *source) visit(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.GenDecl:
		return n.Tok != token.CONST // what is constant must stay so
	case *ast.IfStmt:
		s.condition(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			s.condition(n.Cond)
		}
	case *ast.SwitchStmt:
		s.cases(n)
	case *ast.BinaryExpr:
		s.binary(n)
	}
	return true
}

// condition adds the mutants of what guards something. Inverting a comparison is
// left to the comparison itself.
func (s *source) condition(cond ast.Expr) {
	expr := ast.Unparen(cond)
	before := s.words(expr)
	s.add(expr, removed, expr.Pos(), before, "false")
	core := expr
	for {
		not, ok := core.(*ast.UnaryExpr)
		if !ok || not.Op != token.NOT {
			break
		}
		core = ast.Unparen(not.X)
	}
	if binary, ok := core.(*ast.BinaryExpr); ok && opposites[binary.Op] != 0 {
		return
	}
	after := "!" + before
	switch e := expr.(type) {
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			after = s.words(e.X)
		}
	case *ast.BinaryExpr:
		after = "!(" + before + ")"
	}
	s.add(expr, inverted, expr.Pos(), before, after)
}

// cases adds the mutants of a switch's cases: conditions, or values that are
// compared with the one of the switch.
func (s *source) cases(n *ast.SwitchStmt) {
	found := false
	for _, clause := range n.Body.List {
		for _, value := range clause.(*ast.CaseClause).List {
			if n.Tag == nil {
				s.condition(value)
				continue
			}
			found = true
			expr := ast.Unparen(value)
			words := s.words(expr)
			s.add(expr, removed, expr.Pos(), "case "+words, "no case "+words)
			s.add(expr, inverted, expr.Pos(), "case "+words, "any case but "+words)
			s.byExpr[expr].tagged = true
		}
	}
	if found {
		from, to := s.place(n)
		s.sites = append(s.sites, &site{from: from, to: to, switched: n})
	}
}

func (s *source) binary(n *ast.BinaryExpr) {
	before, x, y := s.words(n), s.words(n.X), s.words(n.Y)
	with := func(op token.Token) string {
		x, y := x, y
		if op == token.LAND { // binds closer than what was there
			x, y = s.inParens(n.X), s.inParens(n.Y)
		}
		return x + " " + op.String() + " " + y
	}
	if op := opposites[n.Op]; op != 0 {
		s.add(n, inverted, n.OpPos, before, with(op))
	}
	if op := neighbours[n.Op]; op != 0 {
		s.add(n, boundary, n.OpPos, before, with(op))
	}
	if op := swaps[n.Op]; op != 0 {
		s.add(n, swapped, n.OpPos, before, with(op))
		s.add(n, leftDropped, n.OpPos, before, y)
		s.add(n, rightDropped, n.OpPos, before, x)
	}
}

// add adds a mutant, unless the expression has one of that kind already.
func (s *source) add(expr ast.Expr, what kind, pos token.Pos, before, after string) {
	at := s.byExpr[expr]
	if at == nil {
		from, to := s.place(expr)
		at = &site{from: from, to: to, expr: expr, mutants: make(map[kind]*mutant)}
		s.byExpr[expr] = at
		s.sites = append(s.sites, at)
	}
	if at.mutants[what] == nil {
		offset := token.Position{Offset: int(pos - s.start)}
		at.mutants[what] = &mutant{at: offset, kind: what, function: s.function, before: before, after: after}
	}
}

func (s *source) place(n ast.Node) (from, to int) {
	return int(n.Pos() - s.start), int(n.End() - s.start)
}

// inParens is the words of an operand of &&.
func (s *source) inParens(e ast.Expr) string {
	if binary, ok := e.(*ast.BinaryExpr); ok && binary.Op == token.LOR {
		return "(" + s.words(e) + ")"
	}
	return s.words(e)
}

// words is the source of a node on one line.
func (s *source) words(n ast.Node) string {
	from, to := s.place(n)
	return strings.Join(strings.Fields(string(s.text[from:to])), " ")
}
