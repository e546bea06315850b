package codes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// A place has to know some of the codes.
type place struct {
	// name says where it is, and what a code looks like there.
	name string
	// has is what the place says of each code that it knows.
	has func(t *testing.T) map[string]string
	// want is what it has to say of the code, and empty where it need not know it.
	want func(code wire.Listed) string
	// own are codes that the place has besides.
	own []string
}

// places are all that have to know codes, but for those that take them from the list.
var places = []place{
	{"errors.go: the variable Err… of the code", variables, where(wire.Refuses, wire.Ends, variable), nil},
	{"internal/wire/cause.go: the variable Err… of the code", causes, variable, nil},
	{"transport/reason.go: the constant of the number, and its entry in codeWords", numbers, number, nil},
	{"metrics/prometheus: the label of lectern_refused_total", labels(lectern.MetricFramesRefused), where(wire.Refuses, 0, known), []string{"other"}},
	{"metrics/prometheus: the label of lectern_leaves_total", labels(lectern.MetricLeaves), leaves, []string{"timeout"}},
	{"PROTOCOL.md, section 8: the row of the code", rows("8. Error codes", `\|`+word+`\|`), where(wire.Refuses, 0, known), nil},
	{"PROTOCOL.md, section 9: the row of the number: whether it is told in `closed`, and whether one may come back",
		rows("9. How memberships and connections end", `\| (\d+) \|`+word+`\| (yes)? ?\|[^|]*\| (no \|)?`), rowOfNumber, nil},
	{"js/src/codes.js, refusals", words("js/src/codes.js", "const refusals = [", "];", `'([a-z_]+)'`), where(wire.Refuses, 0, known), nil},
	{"js/src/codes.js, ends: the code and its number", words("js/src/codes.js", "const ends = {", "};", `([a-z_]+): (\d+)`), endOfItsOwn(number), nil},
	{"js/src/codes.js, closes: the code and its number", words("js/src/codes.js", "const closes = {", "};", `([a-z_]+): (\d+)`), closeAlone, nil},
	{"js/lectern.d.ts, Code", words("js/lectern.d.ts", "const Code: Readonly<{", "}>;", `[A-Z_]+: '([a-z_]+)'`), where(wire.Refuses, wire.Ends, known),
		[]string{"protocol_error", "gap", "unknown_outcome", "connection", "declined", "detached"}},
	{"js/lectern.js, by npm run build: refusals", words("js/lectern.js", "var refusals = [", "];", `"([a-z_]+)"`), where(wire.Refuses, 0, known), nil},
	{"js/lectern.js, by npm run build: ends", words("js/lectern.js", "var ends = {", "};", `([a-z_]+): (\d+)`), endOfItsOwn(number), nil},
	{"examples/classroom/page/words.js, refusals", words(page, "const refusals = {", "};", `\n  ([a-z_]+):`), where(wire.Refuses, 0, known), []string{"connection", "unknown_outcome"}},
	{"examples/classroom/page/words.js, studentsEnds", words(page, "const studentsEnds = {", "};", `\n  ([a-z_]+):`), where(wire.Ends, 0, known), nil},
	{"examples/classroom/page/words.js, teachersEnds", words(page, "const teachersEnds = {", "};", `\n  ([a-z_]+):`), teachersEnds, nil},
}

const (
	word = " `([a-z_]+)` "
	page = "examples/classroom/page/words.js"
	// there is what a place says that knows a code and nothing about it.
	there = "there"
)

// Whoever adds a code is told each place that lacks it.
func TestEveryPlaceHasEveryCode(t *testing.T) {
	for _, complaint := range complaints(t, wire.Codes()) {
		t.Error(complaint)
	}
}

// The test above can fail, at each place.
func TestAPlaceThatLacksACodeIsNamed(t *testing.T) {
	made := append(wire.Codes(),
		wire.Listed{Code: "made_up", Use: wire.Refuses | wire.Ends | wire.InClosed, Number: 4099},
		wire.Listed{Code: "made_up_end", Use: wire.Ends | wire.InClosed, Number: 4098},
		wire.Listed{Code: "made_up_close", Number: 4199})
	found := complaints(t, made)
	for _, p := range places {
		require.Condition(t, func() bool {
			return slices.ContainsFunc(found, func(complaint string) bool {
				return strings.HasPrefix(complaint, p.name) && strings.Contains(complaint, "made_up")
			})
		}, "nothing is said of %s", p.name)
	}

	// A code that has gone is one too many at each place that has it.
	for _, gone := range []wire.Code{"busy", "kicked", "slow"} {
		left := slices.DeleteFunc(wire.Codes(), func(code wire.Listed) bool { return code.Code == gone })
		found := strings.Join(complaints(t, left), "\n")
		for _, p := range places {
			if _, has := p.has(t)[string(gone)]; has {
				require.Contains(t, found, fmt.Sprintf("%s: %s ", p.name, gone))
			}
		}
	}
}

func TestNumbersTellWhetherToComeBack(t *testing.T) {
	seen := make(map[uint16]wire.Code)
	for _, code := range wire.Codes() {
		if code.Number == 0 {
			continue
		}
		require.Empty(t, seen[code.Number], "%d is that of %s too", code.Number, code.Code)
		seen[code.Number] = code.Code
		if transport.CloseCode(code.Number).Final() {
			require.True(t, code.Is(wire.Ends), "%s: a number below 4100 is that of an end", code.Code)
		}
	}
}

// complaints says of each place what it lacks of the codes, and what it has too much.
func complaints(t *testing.T, codes []wire.Listed) []string {
	var all []string
	for _, p := range places {
		has := p.has(t)
		for _, code := range codes {
			want, got := p.want(code), has[string(code.Code)]
			delete(has, string(code.Code))
			if want != "" && got == "" {
				all = append(all, fmt.Sprintf("%s: %s is missing", p.name, code.Code))
			} else if want != got && !slices.Contains(p.own, string(code.Code)) {
				all = append(all, fmt.Sprintf("%s: %s is %q, and not %q, by the list in internal/wire/cause.go", p.name, code.Code, got, want))
			}
		}
		for code := range has {
			if !slices.Contains(p.own, code) {
				all = append(all, fmt.Sprintf("%s: %s is not in the list in internal/wire/cause.go", p.name, code))
			}
		}
	}
	slices.Sort(all)
	return all
}

// where is what a place says that knows the codes of one or the other use.
func where(one, other wire.Use, want func(wire.Listed) string) func(wire.Listed) string {
	return func(code wire.Listed) string {
		if code.Is(one) || other != 0 && code.Is(other) {
			return want(code)
		}
		return ""
	}
}

func known(wire.Listed) string { return there }

// variable is the name of the code's variable.
func variable(code wire.Listed) string {
	name := "Err"
	for part := range strings.SplitSeq(string(code.Code), "_") {
		name += strings.ToUpper(part[:1]) + part[1:]
	}
	return strings.NewReplacer("ErrNotAmember", "ErrNotAMember").Replace(name)
}

func number(code wire.Listed) string {
	if code.Number == 0 {
		return ""
	}
	return strconv.Itoa(int(code.Number))
}

// endOfItsOwn are the ends that are no refusals of resumes.
func endOfItsOwn(want func(wire.Listed) string) func(wire.Listed) string {
	return func(code wire.Listed) string {
		if code.Is(wire.Ends) {
			return want(code)
		}
		return ""
	}
}

// closeAlone are the numbers with which a connection ends and no membership does.
func closeAlone(code wire.Listed) string {
	if code.Is(wire.Ends) {
		return ""
	}
	return number(code)
}

// leaves are the ends with which a slave leaves.
func leaves(code wire.Listed) string {
	if code.Is(wire.Ends) && code.Code != wire.ErrReplaced.Code && code.Code != wire.ErrResumeFailed.Code {
		return there
	}
	return ""
}

// teachersEnds are those of a master's membership: nobody kicks it.
func teachersEnds(code wire.Listed) string {
	if code.Is(wire.Ends) && code.Code != wire.ErrKicked.Code {
		return there
	}
	return ""
}

func rowOfNumber(code wire.Listed) string {
	if code.Number == 0 {
		return ""
	}
	row := number(code)
	if code.Is(wire.InClosed) {
		row += " yes"
	}
	if transport.CloseCode(code.Number).Final() {
		row += " no"
	}
	return row
}

// numbers are those that the transport has a word for.
func numbers(*testing.T) map[string]string {
	has := make(map[string]string)
	for n := range 5000 {
		if s := transport.CloseCode(n).String(); s != strconv.Itoa(n) {
			has[s] = strconv.Itoa(n)
		}
	}
	return has
}

func labels(metric lectern.Metric) func(*testing.T) map[string]string {
	return func(*testing.T) map[string]string {
		has := make(map[string]string)
		for _, label := range metric.Labels() {
			has[label] = there
		}
		return has
	}
}

// variables are those of the public errors, by their codes.
func variables(t *testing.T) map[string]string {
	return declared(t, "errors.go", `(Err\w+) *= sentinel\("([a-z_]+)"`)
}

// causes are the variables of the list itself.
func causes(t *testing.T) map[string]string {
	has := declared(t, "internal/wire/cause.go", `(Err\w+) *= listed\("([a-z_]+)"`)
	has[wire.CodeBadFrame], has[wire.CodeUnsupported] = "ErrBadFrame", "ErrUnsupported"
	return has
}

func declared(t *testing.T, file, pattern string) map[string]string {
	has := make(map[string]string)
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, file), -1) {
		has[match[2]] = match[1]
	}
	return has
}

// words are the matches of the pattern in a part of a file: a code, and what follows it.
func words(file, from, to, pattern string) func(*testing.T) map[string]string {
	return func(t *testing.T) map[string]string {
		has := make(map[string]string)
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch("\n"+part(t, file, from, to), -1) {
			has[match[1]] = there
			if len(match) > 2 {
				has[match[1]] = match[2]
			}
		}
		return has
	}
}

// rows are those of a table of PROTOCOL.md.
func rows(section, pattern string) func(*testing.T) map[string]string {
	return func(t *testing.T) map[string]string {
		has := make(map[string]string)
		for _, match := range regexp.MustCompile(`\n`+pattern).FindAllStringSubmatch(part(t, "PROTOCOL.md", "\n## "+section, "\n## "), -1) {
			if len(match) == 2 {
				has[match[1]] = there
				continue
			}
			row := match[1]
			if match[3] != "" {
				row += " yes"
			}
			if match[4] != "" {
				row += " no"
			}
			has[match[2]] = row
		}
		return has
	}
}

func part(t *testing.T, file, from, to string) string {
	_, rest, found := strings.Cut(read(t, file), from)
	require.True(t, found, "%s has no %q", file, from)
	inside, _, found := strings.Cut(rest, to)
	require.True(t, found, "%s: %q does not end", file, from)
	return inside
}

func read(t *testing.T, file string) string {
	text, err := os.ReadFile(filepath.Join("../..", file))
	require.NoError(t, err)
	return string(text)
}
