package main

import (
	"fmt"
	"os"
	"strings"
)

// accepted is the survivors that the list names: the reason of each by the key of
// its mutant.
type accepted map[string]string

// readAccepted reads the list. A line is the key of a mutant, a colon, and why no test can
// tell it from the source; empty lines and those that begin with # are for
// readers. Entries of other packages are left out.
func readAccepted(path, packageName string) (accepted, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list := make(accepted)
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, found := strings.Cut(line, "`:")
		key += "`"
		fields := strings.Fields(key)
		switch {
		case !found || len(fields) < 3 || !strings.HasPrefix(fields[2], "`") || !strings.Contains(fields[1], "."):
			return nil, fmt.Errorf("%s:%d: an entry is: kind package.function `source`: reason", path, number)
		case strings.TrimSpace(reason) == "":
			return nil, fmt.Errorf("%s:%d: there is no reason", path, number)
		case list[key] != "":
			return nil, fmt.Errorf("%s:%d: this is listed twice", path, number)
		}
		if owner, _, _ := strings.Cut(fields[1], "."); owner == packageName {
			list[key] = strings.TrimSpace(reason)
		}
	}
	return list, nil
}

// unknown is the entries that name none of the mutants, in no order.
func (a accepted) unknown(mutants []*mutant) []string {
	there := make(map[string]bool)
	for _, m := range mutants {
		there[m.key()] = true
	}
	var unknown []string
	for key := range a {
		if !there[key] {
			unknown = append(unknown, key)
		}
	}
	return unknown
}
