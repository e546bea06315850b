package hostile

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/lectern-go/lectern"
)

// claims are what a token says. They and signer are copied from the library's example
// of tokens: an example must stand alone, and so must what attacks it.
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
		panic(err)
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

// roles are the operations that each role in a token is good for. A slave's
// token creates nothing, whatever its holder asks for (rule 1).
var roles = map[string]lectern.Operation{"master": lectern.OpCreate, "slave": lectern.OpJoin}

// Authorize is for lectern.Policy. A *lectern.Error is told to the peer as it
// is; of any other error the peer learns only that it is unauthorized.
func (s signer) Authorize(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	c, err := s.claims(r.Token)
	if err != nil {
		return lectern.Identity{}, err
	}
	refused := func(why string) (lectern.Identity, error) {
		return lectern.Identity{}, &lectern.Error{Code: lectern.ErrUnauthorized.Code, Text: why}
	}
	switch {
	case !time.Now().Before(time.Unix(c.Expires, 0)):
		return refused("the token has expired")
	case c.Channel != r.Channel:
		return refused("the token is for another channel")
	case roles[c.Role] != r.Operation:
		return refused("the token is a " + c.Role + "'s")
	}
	// Who it is, is in the token too. What the peer calls itself does not count.
	return lectern.Identity{Username: c.User}, nil
}
