package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lectern-go/lectern"
)

// screen prints whole lines, from any goroutine.
type screen struct {
	mu  sync.Mutex
	out io.Writer
}

// line prints one line. What others have written may be part of it, so it goes
// through printable as a whole.
func (s *screen) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, printable(fmt.Sprintf(format, args...)))
}

// printable is the text with an escape for all that a terminal would obey
// instead of showing it: control characters, line ends, invisible and
// direction-changing characters, and what is not UTF-8.
func printable(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		text = text[size:]
	}
	return b.String()
}

// content is what a message says, as far as a terminal can show it.
func content(p lectern.Payload) string {
	if p.Kind() == lectern.KindBytes {
		return fmt.Sprintf("(%d bytes)", p.Len())
	}
	return p.Text()
}

// left tells how long it is until the deadline, in words to put behind a state.
func left(deadline time.Time) string {
	if deadline.IsZero() {
		return ""
	}
	seconds := math.Ceil(time.Until(deadline).Seconds())
	return fmt.Sprintf(", %.0f s left", max(seconds, 0))
}
