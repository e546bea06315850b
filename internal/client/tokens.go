package client

import (
	"context"
	"fmt"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file gets the tokens that the service behind the hub asks for.

// tokenFor is the token for an operation on a channel: the one that is given, or a fresh
// one where the user makes these. No lock is held.
func (c *Client) tokenFor(ctx context.Context, operation wire.Type, channel, username, given string) (string, error) {
	if given != "" || c.options.Token == nil {
		return given, nil
	}
	token, err := c.options.Token(ctx, operation, channel, username)
	if err != nil {
		return "", fmt.Errorf("lectern: no token for %s of %s: %w", operationWords[operation], channel, err)
	}
	return token, nil
}

// freshTokens gets a token for each membership and for each call that is about to be
// repeated, before the next connection is made. Where there is none, it is tried again
// later: with a token of before, the service might take the member for one that is not to
// come back.
func (c *Client) freshTokens() error {
	if c.options.Token == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.options.DialTimeout)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	type need struct {
		operation         wire.Type
		channel, username string
		token             *string
	}
	var needs []need
	for _, m := range c.memberships {
		if !m.ownToken {
			needs = append(needs, need{wire.Resume, m.channel, m.username, &m.token})
		}
		for _, r := range m.pending {
			if r.enters != nil && r.written && !r.enters.member.ownToken {
				needs = append(needs, need{wire.Join, r.frame.Channel, m.username, &r.frame.Token})
			}
		}
	}
	for _, k := range c.calls {
		if k.enters != nil && k.writes > 0 && !k.enters.ownToken {
			needs = append(needs, need{k.frame.Type, k.frame.Channel, k.frame.Username, &k.frame.Token})
		}
	}
	for _, n := range needs {
		c.mu.Unlock()
		token, err := c.tokenFor(ctx, n.operation, n.channel, n.username, "")
		c.mu.Lock()
		if err != nil {
			return err
		}
		*n.token = token
	}
	return nil
}

// Refresh shows the service a token, or a fresh one where it is empty.
func (m *Membership) Refresh(ctx context.Context, token string) error {
	given := token
	token, err := m.client.tokenFor(ctx, wire.Refresh, m.channel, m.username, token)
	if err != nil {
		return err
	}
	if err := m.Do(ctx, wire.Frame{Type: wire.Refresh, Token: token}); err != nil {
		return err
	}
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	m.token, m.ownToken = token, given != ""
	return nil
}
