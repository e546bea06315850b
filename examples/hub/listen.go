package main

import (
	"crypto/tls"
	"fmt"
	"net"
)

// listeners are those that were asked for; the others are nil.
type listeners struct {
	ws, tcp, unix net.Listener
	// gates are beneath all of them.
	gates  []*gate
	secure bool
	// inherited: another process may have them too.
	inherited bool
}

// listen opens all that the settings ask for, or none.
func listen(s settings) (l listeners, err error) {
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	var config *tls.Config
	if s.cert != "" {
		certificate, err := tls.LoadX509KeyPair(s.cert, s.key)
		if err != nil {
			return l, fmt.Errorf("the certificate: %w", err)
		}
		config = &tls.Config{Certificates: []tls.Certificate{certificate}}
		l.secure = true
	}
	if s.ws != "" {
		if l.ws, err = l.open(s.ws, listenTCP, config); err != nil {
			return l, fmt.Errorf("-ws %s: %w", s.ws, err)
		}
	}
	if s.tcp != "" {
		if l.tcp, err = l.open(s.tcp, listenTCP, config); err != nil {
			return l, fmt.Errorf("-tcp %s: %w", s.tcp, err)
		}
	}
	if s.unix != "" {
		if l.unix, err = l.open(s.unix, listenUnix, nil); err != nil {
			return l, fmt.Errorf("-unix %s: %w", s.unix, err)
		}
	}
	return l, nil
}

func listenTCP(address string) (net.Listener, error) { return net.Listen("tcp", address) }

// open returns the listener for an address, with TLS where there is a config.
func (l *listeners) open(address string, listen func(address string) (net.Listener, error), config *tls.Config) (net.Listener, error) {
	if isInherited(address) {
		l.inherited = true
		listen = inherit
	}
	listener, err := listen(address)
	if err != nil {
		return nil, err
	}
	g := newGate(listener)
	l.gates = append(l.gates, g)
	if config == nil {
		return g, nil
	}
	return tls.NewListener(g, config), nil
}

// stop accepts nobody any more, and leaves everybody who is there.
func (l listeners) stop() {
	for _, g := range l.gates {
		g.stop()
	}
}

// lines tell where the listeners are to be found, and what else is served there.
func (l listeners) lines(s settings) []string {
	var lines []string
	if l.ws != nil {
		secure := ""
		if l.secure {
			secure = "s"
		}
		lines = append(lines, fmt.Sprintf("ws ws%s://%s/ws", secure, l.ws.Addr()))
		if s.http {
			lines = append(lines, fmt.Sprintf("http http%s://%s/ws/", secure, l.ws.Addr()))
		}
		if s.socketio {
			lines = append(lines, fmt.Sprintf("socketio http%s://%s/socket.io/", secure, l.ws.Addr()))
		}
	}
	if l.tcp != nil {
		lines = append(lines, fmt.Sprintf("tcp %s", l.tcp.Addr()))
	}
	if l.unix != nil {
		lines = append(lines, fmt.Sprintf("unix %s", l.unix.Addr()))
	}
	return lines
}

func (l listeners) close() {
	for _, g := range l.gates {
		_ = g.Close()
	}
}
