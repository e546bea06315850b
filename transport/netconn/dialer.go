package netconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"

	"github.com/lectern-go/lectern/transport"
)

// Dialer connects to where [Serve] accepts. It is a transport.Dialer. Its fields
// must not be changed once it is in use.
type Dialer struct {
	// Network is what package net knows: "tcp", which empty means too, "unix",
	// and so on.
	Network string
	// Address is where to connect to: "host:port", or the path of a Unix
	// socket.
	Address string

	// TLSConfig is the configuration for TLS; nil means none of it. An empty
	// ServerName in it is the host of Address, without a zone.
	TLSConfig *tls.Config

	// NetDialContext makes the net.Conn, for instance through a proxy. Nil means
	// that of a net.Dialer.
	NetDialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Conn sets up the connections.
	Conn transport.ConnOptions
}

var _ transport.Dialer = Dialer{}

// Dial connects, and does the handshake of TLS, within ctx.
func (d Dialer) Dial(ctx context.Context) (transport.Conn, error) {
	if err := d.Conn.Check(); err != nil {
		return nil, err
	}
	network, dial := d.Network, d.NetDialContext
	if network == "" {
		network = "tcp"
	}
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	c, err := dial(ctx, network, d.Address)
	if err != nil {
		return nil, fmt.Errorf("netconn: %w", err)
	}
	if d.TLSConfig != nil {
		secure := tls.Client(c, d.clientConfig())
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("netconn: the TLS handshake with %s: %w", d.Address, err)
		}
		c = secure
	}
	return New(c, d.Conn), nil
}

func (d Dialer) clientConfig() *tls.Config {
	if d.TLSConfig.ServerName != "" {
		return d.TLSConfig
	}
	config := d.TLSConfig.Clone()
	host, _, err := net.SplitHostPort(d.Address)
	if err != nil {
		host = d.Address
	}
	config.ServerName = certified(host)
	return config
}

// certified is the host as certificates name it: a zone says which of this machine's
// interfaces leads to an address, and is no part of it.
func certified(host string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.WithZone("").String()
	}
	return host
}
