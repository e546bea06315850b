// Fleet is a controller and its workers over TLS, in one program: each worker
// is who its certificate says. It prints what happens, and its exit status is 0
// if all of it was as it should be.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/netconn"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	if err := story(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// authority signs the certificates of the story.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
	serial      int64
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fleet"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return &authority{certificate, key, pool, 1}, nil
}

// issue makes the TLS configuration of one who has that name, for either end.
func (a *authority) issue(name string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a.serial++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      a.pool, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, nil
}

// authorize lets everybody in under the name of the certificate alone, and only
// the controller create.
func authorize(ctx context.Context, request lectern.AuthRequest) (lectern.Identity, error) {
	conn, _ := netconn.ConnFromContext(ctx)
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return lectern.Identity{}, lectern.ErrUnauthorized
	}
	name := secure.ConnectionState().PeerCertificates[0].Subject.CommonName
	if name != request.Username || (request.Operation == lectern.OpCreate) != (name == "controller") {
		return lectern.Identity{}, lectern.ErrUnauthorized
	}
	return lectern.Identity{Username: name}, nil
}

type command struct {
	Do string `json:"do"`
}

func story(ctx context.Context, out io.Writer) (err error) {
	hub, err := lectern.NewHub(lectern.Policy{
		MasterTimeout: time.Second, SlaveTimeout: 1500 * time.Millisecond, Authorize: authorize,
	})
	if err != nil {
		return err
	}
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	config, err := ca.issue("hub")
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- netconn.Serve(serving, listener, hub, netconn.Options{}) }()
	s := &fleet{ctx: ctx, out: out, ca: ca, address: listener.Addr().String()}
	defer func() {
		for _, client := range s.clients {
			client.Close()
		}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, hub.Shutdown(bounded))
		stop()
		err = errors.Join(err, <-served)
	}()
	return s.play()
}
