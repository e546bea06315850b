package uses

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority signs the certificates of a fleet.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
	serial      int64
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the fleet"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return &authority{t, certificate, key, pool, 1}
}

// issue makes the TLS configuration of one who has that name, for either end, and tells the
// certificate's number.
func (a *authority) issue(name string) (*tls.Config, int64) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	a.serial++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.certificate, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      a.pool, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "hub",
	}, a.serial
}

// entry is what the register has of one of the fleet. The certificate is that of its present
// device.
type entry struct {
	Certificate int64  `json:"certificate"`
	Dispatcher  bool   `json:"dispatcher,omitempty"`
	Site        string `json:"site"`
}

// register has everybody who may take part.
type register struct {
	mu      sync.Mutex
	entries map[string]entry
}

func (r *register) enter(name string, e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries == nil {
		r.entries = make(map[string]entry)
	}
	r.entries[name] = e
}

func (r *register) strike(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, name)
}

func (r *register) find(name string) (entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, known := r.entries[name]
	return e, known
}

// whereabouts is who is where, and whether it is there.
type whereabouts struct {
	mu      sync.Mutex
	members map[string]string
}

func (w *whereabouts) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members = make(map[string]string)
}

func (w *whereabouts) set(name, site, state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members[name] = fmt.Sprintf("%s at %s: %s", name, site, state)
}

func (w *whereabouts) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.members, name)
}

func (w *whereabouts) list() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Values(w.members)), "\n")
}

// board is what the dispatcher sees of the machines, and how often it has changed.
type board struct {
	mu      sync.Mutex
	values  map[string]string
	changes int
}

func (b *board) put(machine, what, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.values == nil {
		b.values = make(map[string]string)
	}
	b.values[machine+" "+what] = value
	b.changes++
}

func (b *board) sees(machine, what string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.values[machine+" "+what]
}

// command is what the dispatcher wants a machine to do, and for how long that is of any use.
type command struct {
	Do     string        `json:"do"`
	Within time.Duration `json:"-"`
}

// device is what a machine's program works on: what it has done, and what it was told that it
// has missed.
type device struct {
	name string
	disk disk

	mu          sync.Mutex
	done        []string
	gaps        int
	temperature int
}

// measure yields the device's temperature, which changes ten times a second.
func (d *device) measure(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		for ctx.Err() == nil {
			d.mu.Lock()
			d.temperature++
			now := d.temperature
			d.mu.Unlock()
			if !yield(now) {
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

func (d *device) hot() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.temperature
}

var takes = map[string]time.Duration{"turn": time.Second, "weld": 20 * time.Second}

// work does it, and says what came of it, or what is wrong with it.
func (d *device) work(ctx context.Context, do string) (string, error) {
	duration, can := takes[do]
	if !can {
		return "", fmt.Errorf("%s cannot %s", d.name, do)
	}
	select {
	case <-time.After(duration):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = append(d.done, do)
	return do + " is done", nil
}

func (d *device) missed(uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gaps++
}

func (d *device) did() (done []string, gaps int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.done), d.gaps
}
