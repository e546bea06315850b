package memnet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"time"
)

// TLS returns the configs for both ends of a connection over TLS. The server is
// lectern.test, 127.0.0.1 and fe80::1. They are made once, and are the same for all callers: a
// test that changes one changes a clone of it.
//
// It must be called once before a synctest bubble begins: what is made in a bubble belongs
// to that bubble. The certificate is valid at the time of a bubble's clock too.
func TLS() (server, client *tls.Config) { return makeTLS() }

var makeTLS = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"lectern.test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP("fe80::1")},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:         true,

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	// The default has a second key exchange, which would take much of a test's time.
	curves := []tls.CurveID{tls.X25519}
	server = &tls.Config{
		Certificates:     []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}},
		CurvePreferences: curves,
	}
	return server, &tls.Config{RootCAs: roots, CurvePreferences: curves}
})
