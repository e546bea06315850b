// Package page is the classroom's page: what a browser loads, and the handler that serves it.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/lectern-go/lectern/js"
)

// Files are those that the page is made of.
//
//go:embed *.html *.css *.js *.svg
var Files embed.FS

// contentSecurity allows the page what it is made of, and nothing else: no script
// or style but its own files, no other host, no frame around it, and no place
// where text could become markup (Trusted Types, without any). A page's own
// WebSocket is 'self'.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Handler serves the page, with its hub's connections under /ws and what is beneath, and /socket.io/.
func Handler(connections http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/ws", connections)
	mux.Handle("/ws/", connections)
	mux.Handle("/socket.io/", connections)
	mux.Handle("/lectern.js", js.Handler())
	err := fs.WalkDir(Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(Files, name)
		if err != nil {
			return err
		}
		pattern := "/" + name
		if name == "index.html" {
			pattern = "/{$}"
		}
		mux.Handle("GET "+pattern, file(content, contentTypes[path.Ext(name)]))
		return nil
	})
	if err != nil {
		panic(err) // nothing is read but memory
	}
	return secured(mux)
}

// file serves one embedded file. Browsers ask each time whether it has changed,
// so that a page never runs with parts of another version.
func file(content []byte, contentType string) http.Handler {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}

// secured adds the headers that every answer has, also where nothing is found.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurity)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
