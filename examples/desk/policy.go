package main

import (
	"context"

	"github.com/lectern-go/lectern"
)

// badge is the token of who works at the desk. A real service would have signed ones, as in
// example_token_test.go.
const badge = "a badge of the desk"

// atDesk is what the hub keeps with a member that works at the desk.
const atDesk = "at the desk"

// policy lets agents alone have customers: each customer's channel bears the customer's name,
// nobody else than the customer and agents comes in, and it is handed to an agent only.
func policy() lectern.Policy {
	return lectern.Policy{MaxChannelsPerConnection: 1000, Authorize: authorize}
}

func authorize(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	switch {
	case r.Token == badge:
		return lectern.Identity{Username: r.Username, Data: []byte(atDesk)}, nil
	case r.Operation == lectern.OpMaster && string(r.Data) == atDesk:
		return lectern.Identity{Username: r.Username, Data: r.Data}, nil
	case r.Operation == lectern.OpJoin && r.Username == r.Channel:
		return lectern.Identity{Username: r.Username}, nil
	}
	return lectern.Identity{}, lectern.ErrUnauthorized
}
