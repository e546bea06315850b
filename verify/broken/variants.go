package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// variant is the code with one hole in it.
type variant struct {
	name string
	// of is the amendment or the tooth of the design, and broken what is so in the variant.
	of, broken string
	edits      []edit
	// seeds are those of rounds that have shown it, and with is what the rounds have in which it is looked for, or empty.
	seeds []uint64
	with  string
	// unseen is why the simulation does not find it, or empty.
	unseen string
}

// edit puts the new text in the place of the old one, which the file has exactly once.
type edit struct{ file, old, new string }

// apply returns what files are to be, by their paths.
func (v *variant) apply(root string) (map[string]string, error) {
	files := make(map[string]string)
	for _, e := range v.edits {
		path, err := filepath.Abs(filepath.Join(root, e.file))
		if err != nil {
			return nil, err
		}
		text, known := files[path]
		if !known {
			source, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			text = string(source)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("%s: %s has the text that is to be broken %d times, and not once:\n%s", v.name, e.file, n, e.old)
		}
		files[path] = strings.Replace(text, e.old, e.new, 1)
	}
	return files, nil
}

// variants are all, in the order of the design.
func variants() []variant { return slices.Concat(amendments, teeth) }
