package natscluster

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// What needs no server is tested here; the rest is in the module embed, which has one.

func TestOptions(t *testing.T) {
	o, err := Options{Name: "lessons"}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, Options{Name: "lessons", Shards: 16, Replicas: 3, Keeps: 6 * time.Minute, MaxBytes: 256 << 20, Timeout: 250 * time.Millisecond}, o)
	for what, change := range map[string]func(o *Options){
		"no name":            func(o *Options) { o.Name = "" },
		"a subject in it":    func(o *Options) { o.Name = "a.b" },
		"a wildcard":         func(o *Options) { o.Name = "*" },
		"an underscore":      func(o *Options) { o.Name = "a_1" },
		"a long name":        func(o *Options) { o.Name = strings.Repeat("n", 65) },
		"fewer than none":    func(o *Options) { o.Shards = -1 },
		"too many shards":    func(o *Options) { o.Shards = 1025 },
		"six replicas":       func(o *Options) { o.Replicas = 6 },
		"kept for no time":   func(o *Options) { o.Keeps = time.Millisecond },
		"no room":            func(o *Options) { o.MaxBytes = 1000 },
		"patience for ever":  func(o *Options) { o.Timeout = time.Hour },
		"patience for never": func(o *Options) { o.Timeout = -1 },
	} {
		o := Options{Name: "lessons"}
		change(&o)
		_, err := o.withDefaults()
		require.ErrorContains(t, err, "natscluster: ", what)
	}
}

// The server takes no window above the age, and an append is repeated for seconds.
func TestTheWindow(t *testing.T) {
	require.Equal(t, 30*time.Second, Options{Keeps: time.Minute}.window())
	require.Equal(t, 2*time.Second, Options{Keeps: 2 * time.Second}.window())
}

func TestPermissions(t *testing.T) {
	o := Options{Name: "x", Shards: 2}
	publish, subscribe := o.Permissions()
	require.Equal(t, []string{
		"lectern.x.>",
		"$JS.API.STREAM.CREATE.LECTERN_x_0", "$JS.API.STREAM.CREATE.LECTERN_x_1",
		"$JS.API.STREAM.INFO.LECTERN_x_0", "$JS.API.STREAM.INFO.LECTERN_x_1",
		"$JS.API.STREAM.MSG.GET.LECTERN_x_0", "$JS.API.STREAM.MSG.GET.LECTERN_x_1",
		"$JS.API.DIRECT.GET.LECTERN_x_0", "$JS.API.DIRECT.GET.LECTERN_x_1",
	}, publish)
	require.Equal(t, []string{"lectern.x.>"}, subscribe)
	require.Equal(t, []string{"$JS.API.STREAM.LEADER.STEPDOWN.LECTERN_x_0", "$JS.API.STREAM.LEADER.STEPDOWN.LECTERN_x_1"}, o.BalancePermissions())
}

// The README's permissions have what is needed, and nothing of what must not be: no purge, no delete, no consumer.
func TestTheReadmesPermissions(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	publish, _ := Options{Name: "lessons", Shards: 1}.Permissions()
	for _, subject := range publish {
		require.Contains(t, string(readme), `"`+strings.TrimSuffix(subject, "LECTERN_lessons_0"))
	}
	for _, forbidden := range []string{"PURGE", "DELETE", "CONSUMER", "UPDATE", "RESTORE"} {
		require.NotContains(t, string(readme), forbidden)
	}
}

// Whatever differs is named, all at once.
func TestDifferences(t *testing.T) {
	o, err := Options{Name: "x", Shards: 2}.withDefaults()
	require.NoError(t, err)
	require.NoError(t, differences(o.stream(1), o.stream(1)))
	changes := map[string]func(c *nats.StreamConfig){
		"lectern.shards of its metadata is 3, not 2":                  func(c *nats.StreamConfig) { c.Metadata = map[string]string{"lectern.shards": "3"} },
		"subjects is [lectern.x.log.1.>], not [lectern.x.log.1.*.*]":  func(c *nats.StreamConfig) { c.Subjects = []string{"lectern.x.log.1.>"} },
		"republish is nothing, not lectern.x.log.1.*.d to":            func(c *nats.StreamConfig) { c.RePublish = nil },
		"retention is Interest, not Limits":                           func(c *nats.StreamConfig) { c.Retention = nats.InterestPolicy },
		"storage is Memory, not File":                                 func(c *nats.StreamConfig) { c.Storage = nats.MemoryStorage },
		"replicas is 1, not 3":                                        func(c *nats.StreamConfig) { c.Replicas = 1 },
		"max age is 1h0m0s, not 6m0s":                                 func(c *nats.StreamConfig) { c.MaxAge = time.Hour },
		"max bytes is 1, not 268435456":                               func(c *nats.StreamConfig) { c.MaxBytes = 1 },
		"max message size is 1, not 266240":                           func(c *nats.StreamConfig) { c.MaxMsgSize = 1 },
		"max messages is 1, not -1":                                   func(c *nats.StreamConfig) { c.MaxMsgs = 1 },
		"max messages of a subject is 1, not -1":                      func(c *nats.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		"discard is DiscardOld, not DiscardNew":                       func(c *nats.StreamConfig) { c.Discard = nats.DiscardOld },
		"duplicate window is 2m0s, not 30s":                           func(c *nats.StreamConfig) { c.Duplicates = 2 * time.Minute },
		"allow direct is false, not true":                             func(c *nats.StreamConfig) { c.AllowDirect = false },
		"deny delete is false, not true":                              func(c *nats.StreamConfig) { c.DenyDelete = false },
		"deny purge is false, not true":                               func(c *nats.StreamConfig) { c.DenyPurge = false },
		"allow roll-up is true, not false":                            func(c *nats.StreamConfig) { c.AllowRollup = true },
		"allow a time of its own for each message is true, not false": func(c *nats.StreamConfig) { c.AllowMsgTTL = true },
		"no acknowledgements is true, not false":                      func(c *nats.StreamConfig) { c.NoAck = true },
		"sealed is true, not false":                                   func(c *nats.StreamConfig) { c.Sealed = true },
		"is a mirror is true, not false":                              func(c *nats.StreamConfig) { c.Mirror = &nats.StreamSource{} },
		"has sources is true, not false":                              func(c *nats.StreamConfig) { c.Sources = []*nats.StreamSource{{}} },
		"has a subject transform is true, not false":                  func(c *nats.StreamConfig) { c.SubjectTransform = &nats.SubjectTransformConfig{} },
	}
	all := o.stream(1)
	for says, change := range changes {
		got := o.stream(1)
		change(&got)
		change(&all)
		err := differences(got, o.stream(1))
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "LECTERN_x_1")
	}
	err = differences(all, o.stream(1))
	for says := range changes {
		require.ErrorContains(t, err, says)
	}
}

func TestVersions(t *testing.T) {
	for version, fits := range map[string]bool{
		"2.15.0": true, "2.15.3": true, "2.16.0-RC.1": true, "3.0.0": true, "10.1.0": true,
		"2.14.9": false, "2.9.99": false, "1.15.0": false, "": false, "two": false,
	} {
		require.Equal(t, fits, versionFits(version), version)
	}
}

// TLS is demanded, but of this machine.
func TestThisMachine(t *testing.T) {
	for _, here := range []string{
		"nats://127.0.0.1:4222", "localhost", "nats://localhost:4222, nats://[::1]:4222", "127.3.2.1:4222", "tls://user:password@127.0.0.1",
	} {
		require.True(t, allLoopback(here), here)
	}
	for _, elsewhere := range []string{
		"nats://nats-1", "nats://127.0.0.1,nats://10.0.0.1", "nats://localhost.example.org", "nats://127.0.0.1.example.org", "nats://0.0.0.0", "nats://[2001:db8::1]:4222", "nats://%zz",
	} {
		require.False(t, allLoopback(elsewhere), elsewhere)
	}
}
