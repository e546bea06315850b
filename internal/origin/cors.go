package origin

import (
	"net/http"
	"strings"
)

// Allow has the browser show the answer to the page that has sent the request, by the
// headers of CORS, where the page is of another origin that the policy lets in. A page whose
// origin is listed by name may send cookies and read what comes of them; one that is let in
// by "*" alone may not. It is for requests that Refuses does not refuse.
func (p *Policy) Allow(header http.Header, r *http.Request) {
	if len(p.listed) > 0 {
		header.Add("Vary", "Origin") // a cache must not show it to others
	}
	sent := r.Header.Get("Origin")
	if sent == "" {
		return
	}
	if from, ok := parseOrigin(sent); ok && p.listed[from] {
		header.Set("Access-Control-Allow-Origin", sent)
		header.Set("Access-Control-Allow-Credentials", "true")
	} else if p.all {
		header.Set("Access-Control-Allow-Origin", "*")
	}
}

// Preflight answers the request by which a browser asks what a page of another origin may
// send, where Refuses does not refuse it.
func (p *Policy) Preflight(w http.ResponseWriter, r *http.Request, methods, headers []string) {
	header := w.Header()
	p.Allow(header, r)
	header.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	if len(headers) > 0 {
		header.Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
	}
	header.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}
