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

// MakeCertificate makes the certificate for the networks over TLS. It must be called
// before a synctest bubble begins: the certificate is for all tests, and must not belong
// to a bubble.
func MakeCertificate() { certificate() }

// tlsConfigs are the configs of both ends of a connection over TLS.
type tlsConfigs struct{ server, client *tls.Config }

// certificate makes one certificate for all tests, at the first call. It is valid at the
// time of a bubble's clock too.
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
		// The default has a second key exchange, which would take much of a test's time.
		server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, CurvePreferences: []tls.CurveID{tls.X25519}},
		client: &tls.Config{RootCAs: roots, CurvePreferences: []tls.CurveID{tls.X25519}},
	}
})
