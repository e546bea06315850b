package stage

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"sync"
	"time"
)

// MakeCertificate makes what the networks over TLS need. Call it before a bubble
// begins: what it makes is for all tests, and must belong to no bubble.
func MakeCertificate() { certificate() }

type tlsConfigs struct{ server, client *tls.Config }

// certificate is one certificate for all tests. It is valid in a bubble's clock.
var certificate = sync.OnceValue(func() tlsConfigs {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"lectern.test"},
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
	return tlsConfigs{
		// The default has a second key exchange, which takes much of a test's time.
		server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, CurvePreferences: []tls.CurveID{tls.X25519}},
		client: &tls.Config{RootCAs: roots, CurvePreferences: []tls.CurveID{tls.X25519}},
	}
})
