package histories

import (
	"fmt"
	"slices"
	"strings"
)

// This file is the model of the voice: which slaves may send of their own accord.

// voice is that of a channel. exceptions are the names of which all is not true.
type voice struct {
	all        bool
	exceptions string
}

func (v voice) muted(name string) bool { return v.all != v.excepts(name) }

func (v voice) excepts(name string) bool {
	return strings.Contains(v.exceptions, fmt.Sprintf("(%s)", name))
}

// without is the voice without what was said of the name.
func (v voice) without(name string) voice {
	v.exceptions = strings.Replace(v.exceptions, fmt.Sprintf("(%s)", name), "", 1)
	return v
}

// set is the voice after the master has said that of one, or, without a name, of all.
func (v voice) set(name string, on bool) voice {
	if name == "" {
		return voice{all: on}
	}
	if v = v.without(name); v.all != on {
		names := append(strings.SplitAfter(v.exceptions, ")"), fmt.Sprintf("(%s)", name))
		slices.Sort(names)
		v.exceptions = strings.Join(names, "")
	}
	return v
}
