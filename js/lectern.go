// Package js carries Lectern's client for web pages, built and ready, so that a
// service in Go can serve it to its pages without npm:
//
//	http.Handle("/ws", websocket.NewHandler(hub, websocket.Options{}))
//	http.Handle("/lectern.js", js.Handler())
//
// and in the page:
//
//	<script type="module">
//	  import { Client } from '/lectern.js';
//	  const slave = await new Client('/ws').join('abc123', 'user_one');
//	</script>
//
// The README beside this file describes the client.
package js

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed lectern.js
var module []byte

//go:embed lectern.d.ts
var declarations []byte

// Handler serves the client as a JavaScript module, whatever the path. It
// answers GET and HEAD, and with 304 where the browser has this version already:
// the ETag is made from the content. Browsers are told to ask each time, so that
// they never run an old client against a new hub.
func Handler() http.Handler {
	return serve(module, "text/javascript; charset=utf-8")
}

// Declarations serves the client's TypeScript declarations, as Handler serves
// the client. Beside a lectern.js they are called lectern.d.ts.
func Declarations() http.Handler {
	return serve(declarations, "application/typescript; charset=utf-8")
}

func serve(content []byte, contentType string) http.Handler {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}
