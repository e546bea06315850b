package main

import (
	"crypto/tls"
	"fmt"
	"net"
)

// listeners are those that were asked for; the others are nil.
type listeners struct {
	ws, tcp, unix net.Listener
	secure        bool
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
		if l.ws, err = listenTCP(s.ws, config); err != nil {
			return l, fmt.Errorf("-ws %s: %w", s.ws, err)
		}
	}
	if s.tcp != "" {
		if l.tcp, err = listenTCP(s.tcp, config); err != nil {
			return l, fmt.Errorf("-tcp %s: %w", s.tcp, err)
		}
	}
	if s.unix != "" {
		if l.unix, err = listenUnix(s.unix); err != nil {
			return l, fmt.Errorf("-unix %s: %w", s.unix, err)
		}
	}
	return l, nil
}

func listenTCP(address string, config *tls.Config) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil || config == nil {
		return listener, err
	}
	return tls.NewListener(listener, config), nil
}

// lines tell where the listeners are to be found.
func (l listeners) lines() []string {
	var lines []string
	if l.ws != nil {
		scheme := "ws"
		if l.secure {
			scheme = "wss"
		}
		lines = append(lines, fmt.Sprintf("ws %s://%s/ws", scheme, l.ws.Addr()))
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
	for _, listener := range []net.Listener{l.ws, l.tcp, l.unix} {
		if listener != nil {
			_ = listener.Close()
		}
	}
}
