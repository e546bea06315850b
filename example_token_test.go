package lectern_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/lectern-go/lectern"
)

// claims are what a token says. The service signs them for whom it has let in,
// for instance in the answer to a login.
type claims struct {
	User    string `json:"user"`
	Role    string `json:"role"` // "master" or "slave"
	Channel string `json:"channel"`
	Expires int64  `json:"expires"` // seconds since 1970
}

// signer signs claims and checks them with a key that only the service has, of 32
// random bytes. A token is the claims' JSON and its HMAC-SHA256, both in base64.
type signer struct{ key []byte }

func (s signer) token(c claims) string {
	data, err := json.Marshal(c)
	if err != nil {
		log.Fatal(err)
	}
	body := base64.RawURLEncoding.EncodeToString(data)
	return body + "." + s.mac(body)
}

func (s signer) mac(body string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(body))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

var errForged = errors.New("the token is not one of ours")

// claims reads a token. Nothing in it is looked at before the signature is.
func (s signer) claims(token string) (c claims, err error) {
	body, mac, _ := strings.Cut(token, ".")
	// Equal takes the same time wherever the two differ.
	if !hmac.Equal([]byte(mac), []byte(s.mac(body))) {
		return c, errForged
	}
	data, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(data, &c)
}

// roles are the operations for which a token has to be of one role. A slave's token
// creates nothing, whatever its holder asks for (rule 1). Who resumes or refreshes has the
// membership already, and shows that the service still lets them in.
var roles = map[lectern.Operation]string{lectern.OpCreate: "master", lectern.OpJoin: "slave"}

// Authorize is for lectern.Policy. A *lectern.Error is told to the peer as it is. A token
// that cannot be read is such a refusal too, and not an error of the service, after which
// who resumes would try again.
func (s signer) Authorize(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	c, err := s.claims(r.Token)
	if err != nil {
		return lectern.Identity{}, fmt.Errorf("%w: %w", lectern.ErrUnauthorized, err)
	}
	refused := func(why string) (lectern.Identity, error) {
		return lectern.Identity{}, &lectern.Error{Code: lectern.ErrUnauthorized.Code, Text: why}
	}
	switch {
	case !time.Now().Before(time.Unix(c.Expires, 0)):
		return refused("the token has expired")
	case c.Channel != r.Channel:
		return refused("the token is for another channel")
	case roles[r.Operation] != "" && roles[r.Operation] != c.Role:
		return refused("the token is a " + c.Role + "'s")
	}
	// Who it is, is in the token too. What the peer calls itself does not count. Who shows
	// no newer token (ClientOptions.Token, Slave.Refresh) is out when this one expires.
	return lectern.Identity{Username: c.User, Expires: time.Unix(c.Expires, 0)}, nil
}

// Who may create a channel and who may join it is in a token that the service has
// signed, and so is the name that the others see.
func ExamplePolicy_token() {
	ctx := context.Background()
	signer := signer{key: []byte("a key for an example, of 32 bytes")}
	hub, err := lectern.NewHub(lectern.Policy{
		Authorize: signer.Authorize, Reauthorize: []lectern.Operation{lectern.OpResume},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()

	soon := time.Now().Add(time.Hour).Unix()
	teacher := signer.token(claims{"Ms Adams", "master", "abc123", soon})
	pupil := signer.token(claims{"Bob", "slave", "abc123", soon})

	_, err = hub.Create(ctx, "abc123", "Ms Adams", lectern.WithToken(pupil))
	fmt.Println("a slave creates:", err)
	master, err := hub.Create(ctx, "abc123", "alice", lectern.WithToken(teacher))
	if err != nil {
		log.Fatal(err)
	}

	for _, refused := range []struct{ what, token string }{
		{"a master joins", teacher},
		{"expired", signer.token(claims{"Bob", "slave", "abc123", soon - 7200})},
		{"for another channel", signer.token(claims{"Bob", "slave", "xyz", soon})},
		{"signed by another", anotherSigner.token(claims{"Bob", "slave", "abc123", soon})},
		{"changed", "A" + pupil},
		{"none", ""},
	} {
		_, err := hub.Join(ctx, "abc123", "Bob", lectern.WithToken(refused.token))
		fmt.Printf("%s: %v\n", refused.what, err)
	}

	slave, err := hub.Join(ctx, "abc123", "the headmaster", lectern.WithToken(pupil))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := slave.Send(ctx, lectern.Text("good morning")); err != nil {
		log.Fatal(err)
	}
	later := time.Now().Add(2 * time.Hour).Unix()
	fmt.Println("a newer token:", slave.Refresh(ctx, signer.token(claims{"Bob", "slave", "abc123", later})))

	for event, err := range master.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if message, ok := event.(lectern.Message); ok {
			fmt.Printf("%s hears %s: %s\n", master.Username(), message.From, message.Text())
			break
		}
	}
	// Output:
	// a slave creates: lectern: unauthorized: the token is a slave's
	// a master joins: lectern: unauthorized: the token is a master's
	// expired: lectern: unauthorized: the token has expired
	// for another channel: lectern: unauthorized: the token is for another channel
	// signed by another: lectern: unauthorized: the service does not allow "Bob" this join of "abc123"
	// changed: lectern: unauthorized: the service does not allow "Bob" this join of "abc123"
	// none: lectern: unauthorized: the service does not allow "Bob" this join of "abc123"
	// a newer token: <nil>
	// Ms Adams hears Bob: good morning
}

var anotherSigner = signer{key: []byte("somebody else's")}
