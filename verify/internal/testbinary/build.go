// Package testbinary builds tests of sources that are changed on the way, and runs them within bounds: what was
// changed may have them be endless.
package testbinary

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Overlay writes what files are to be, by their paths, to the folder, and returns the path of what
// go build takes as -overlay.
func Overlay(folder string, files map[string]string) (string, error) {
	replace := make(map[string]string)
	for path, text := range files {
		instead := filepath.Join(folder, strconv.Itoa(len(replace))+"_"+filepath.Base(path))
		replace[path] = instead
		if err := os.WriteFile(instead, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, overlay, 0o600)
}

// Build builds the tests of the package in a folder. The error has what go says.
func Build(ctx context.Context, dir, overlay, binary string, args ...string) error {
	build := exec.CommandContext(ctx, "go", append([]string{"test", "-c", "-overlay", overlay, "-o", binary}, args...)...)
	build.Dir = dir
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, said)
	}
	return nil
}
