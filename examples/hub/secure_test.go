package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// certificate makes a certificate for the loopback address, writes it and its
// key to files, and returns these and what a client trusts it with.
func certificate(t *testing.T) (cert, key string, trusting *tls.Config) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)

	write := func(name, kind string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret), &tls.Config{RootCAs: roots}
}

func TestTLS(t *testing.T) {
	cert, key, trusting := certificate(t)
	path := filepath.Join(t.TempDir(), "hub.sock")
	hub := startHub(t, 4, "-ws", "127.0.0.1:0", "-http", "-tcp", "127.0.0.1:0", "-unix", path, "-tls-cert", cert, "-tls-key", key)
	require.Regexp(t, `^https://127\.0\.0\.1:\d+/ws/$`, hub.at["http"])
	require.Regexp(t, `^wss://127\.0\.0\.1:\d+/ws$`, hub.at["ws"])

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := func(dialer transport.Dialer) *lectern.Client {
		c := lectern.NewClient(dialer, lectern.ClientOptions{})
		t.Cleanup(func() { c.Close() })
		return c
	}
	master, err := client(netconn.Dialer{Address: hub.at["tcp"], TLSConfig: trusting}).Create(ctx, "abc123", "alice")
	require.NoError(t, err)
	var slaves []*lectern.Slave
	for name, dialer := range map[string]transport.Dialer{
		"user_one":   websocket.Dialer{URL: hub.at["ws"], TLSConfig: trusting},
		"user_two":   netconn.Dialer{Network: "unix", Address: hub.at["unix"]}, // needs no TLS
		"user_three": httpstream.Dialer{URL: hub.at["http"], HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}}},
	} {
		slave, err := client(dialer).Join(ctx, "abc123", name)
		require.NoError(t, err)
		slaves = append(slaves, slave)
	}
	_, err = master.Broadcast(ctx, lectern.Text("nobody listens in"))
	require.NoError(t, err)
	for _, slave := range slaves {
		message, err := slave.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, "nobody listens in", message.Text())
	}

	// Who does not trust the certificate does not connect.
	for name, dialer := range map[string]transport.Dialer{
		"TCP":       netconn.Dialer{Address: hub.at["tcp"], TLSConfig: &tls.Config{}},
		"WebSocket": websocket.Dialer{URL: hub.at["ws"]},
	} {
		_, err := dialer.Dial(ctx)
		var untrusted *tls.CertificateVerificationError
		require.ErrorAs(t, err, &untrusted, name)
	}
	// Nor does one who speaks without TLS get in.
	plain, err := net.Dial("tcp", hub.at["tcp"])
	require.NoError(t, err)
	defer plain.Close()
	require.NoError(t, plain.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(plain, "\x00\x00\x00\x00\x17{\"type\":\"ping\",\"ref\":1}")
	require.NoError(t, err)
	answer, _ := io.ReadAll(plain)
	require.NotContains(t, string(answer), "pong")

	require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
	_, err = hub.ends()
	require.NoError(t, err)
}

func TestCertificateThatCannotBeRead(t *testing.T) {
	cert, key, _ := certificate(t)
	missing := filepath.Join(t.TempDir(), "none.pem")
	for name, files := range map[string][2]string{
		"no certificate": {missing, key},
		"no key":         {cert, missing},
		"the wrong way":  {key, cert},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, fails(t, "-tcp", "127.0.0.1:0", "-tls-cert", files[0], "-tls-key", files[1]), "hub: the certificate: ")
		})
	}
}
