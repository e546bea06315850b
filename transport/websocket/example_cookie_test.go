package websocket_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/websocket"
)

// sessions are those who have logged in, by what is in their cookie.
type sessions struct {
	mu    sync.Mutex
	users map[string]string
}

// A browser takes a cookie of this name only over TLS and for this host alone.
const sessionCookie = "__Host-session"

// login is a handler that gives a session to whom the service knows.
func (s *sessions) login(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("user")
	if r.PostFormValue("password") != "secret of "+user { // ask your own list of users
		http.Error(w, "wrong user or password", http.StatusUnauthorized)
		return
	}
	session := rand.Text()
	s.mu.Lock()
	s.users[session] = user
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: session, Path: "/",
		Secure:   true,
		HttpOnly: true, // no script can read it
		SameSite: http.SameSiteStrictMode,
	})
}

// authorize is for lectern.Policy. The cookie has come with the request that has
// become the connection. The request is there for each call; what middleware had put
// into its context would be there for the first alone.
func (s *sessions) authorize(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	request, ok := websocket.RequestFromContext(ctx)
	if !ok {
		return lectern.Identity{}, errors.New("not over WebSocket")
	}
	cookie, err := request.Cookie(sessionCookie)
	if err != nil {
		return lectern.Identity{}, err
	}
	s.mu.Lock()
	user, ok := s.users[cookie.Value]
	s.mu.Unlock()
	if !ok {
		return lectern.Identity{}, errors.New("no such session")
	}
	if r.Operation == lectern.OpCreate && user != "alice" {
		return lectern.Identity{}, &lectern.Error{Code: lectern.ErrUnauthorized.Code, Text: "only teachers create channels"}
	}
	return lectern.Identity{Username: user}, nil
}

// Who somebody is comes from the cookie of a login, which browsers send with the
// handshake by themselves. They do so for pages of other sites too, which is why
// the handler refuses those unless Options.Origins says otherwise.
func ExampleRequestFromContext() {
	ctx := context.Background()
	sessions := &sessions{users: map[string]string{}}
	hub, err := lectern.NewHub(lectern.Policy{Authorize: sessions.authorize})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", sessions.login)
	mux.Handle("GET /ws", websocket.NewHandler(hub, websocket.Options{}))
	server := httptest.NewTLSServer(mux)
	defer server.Close()

	// dialer logs in as a browser does, and connects with the cookie.
	dialer := func(user, password, origin string) websocket.Dialer {
		browser := server.Client()
		browser.Jar, _ = cookiejar.New(nil)
		response, err := browser.PostForm(server.URL+"/login", url.Values{"user": {user}, "password": {password}})
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		header := http.Header{"Origin": {origin}}
		for _, cookie := range browser.Jar.Cookies(response.Request.URL) {
			header.Add("Cookie", cookie.String())
		}
		return websocket.Dialer{
			URL:       strings.Replace(server.URL, "https", "wss", 1) + "/ws",
			Header:    header,
			TLSConfig: browser.Transport.(*http.Transport).TLSClientConfig,
		}
	}

	alice := lectern.NewClient(dialer("alice", "secret of alice", server.URL), lectern.ClientOptions{})
	defer alice.Close()
	master, err := alice.Create(ctx, "abc123", "anything")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(master.Username(), "is the master")

	bob := lectern.NewClient(dialer("bob", "secret of bob", server.URL), lectern.ClientOptions{})
	defer bob.Close()
	_, err = bob.Create(ctx, "xyz", "alice")
	fmt.Println("bob creates:", err)
	slave, err := bob.Join(ctx, "abc123", "alice")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(slave.Username(), "has joined", slave.Master().Username)

	mallory := lectern.NewClient(dialer("alice", "a guess", server.URL), lectern.ClientOptions{})
	defer mallory.Close()
	_, err = mallory.Join(ctx, "abc123", "alice")
	fmt.Println("without a session:", err)

	// A page of another site, in alice's own browser.
	_, err = dialer("alice", "secret of alice", "https://evil.example").Dial(ctx)
	var refused *websocket.RefusedError
	if errors.As(err, &refused) {
		fmt.Println("from another site:", refused.StatusCode, http.StatusText(refused.StatusCode))
	}
	// Output:
	// alice is the master
	// bob creates: lectern: unauthorized: only teachers create channels
	// bob has joined alice
	// without a session: lectern: unauthorized: the service does not allow "alice" this join of "abc123"
	// from another site: 403 Forbidden
}
