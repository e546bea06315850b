package natscluster

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/cluster"
)

// Options is what a cluster is made of. All hubs of one cluster must have the same; what is
// in the streams is compared. Zero values have defaults.
type Options struct {
	// Name tells clusters on one NATS apart: letters, digits and hyphens. It has no default.
	Name string

	// Shards is the number of streams that keys are spread over, for ever: 16.
	Shards int

	// Replicas is how many servers have each stream: 3, or 5, or 1, where a server that is down takes
	// its shards with it until it is back.
	Replicas int

	// Memory keeps streams in memory, which is no faster as a rule. A server that starts again has
	// nothing, and gets it from the others.
	Memory bool

	// Keeps is how long groups are kept: 6 minutes.
	Keeps time.Duration

	// MaxBytes bounds each stream, on each of its servers, which reserve it: 256 MiB.
	MaxBytes int64

	// Timeout is how long an append waits for its acknowledgement, and other requests before they
	// are repeated: 250 ms. It cannot be above 10 seconds.
	Timeout time.Duration

	// Unencrypted allows connections without TLS to servers that are not on this machine.
	Unencrypted bool
}

// oldest is the oldest version of the server that has what is needed.
var oldest = [2]int{2, 15}

// room is what a message of a group has beside its body, at most, headers included.
const room = 4096

var names = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func (o Options) withDefaults() (Options, error) {
	set := func(n *int, usual int) {
		if *n == 0 {
			*n = usual
		}
	}
	set(&o.Shards, 16)
	set(&o.Replicas, 3)
	if o.Keeps == 0 {
		o.Keeps = 6 * time.Minute
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 250 * time.Millisecond
	}
	switch {
	case !names.MatchString(o.Name):
		return o, fmt.Errorf("natscluster: the name %q is not of letters, digits and hyphens", o.Name)
	case o.Shards < 1 || o.Shards > 1024:
		return o, fmt.Errorf("natscluster: %d shards: 1 to 1,024 are possible", o.Shards)
	case o.Replicas < 1 || o.Replicas > 5:
		return o, fmt.Errorf("natscluster: %d replicas: 1 to 5 are possible", o.Replicas)
	case o.Keeps < time.Second:
		return o, fmt.Errorf("natscluster: groups that are kept for %v are of no use", o.Keeps)
	case o.MaxBytes < 4*(cluster.MaxGroup+room):
		return o, fmt.Errorf("natscluster: a stream of %d bytes is of no use", o.MaxBytes)
	case o.Timeout < 0 || o.Timeout > 10*time.Second:
		return o, fmt.Errorf("natscluster: a timeout of %v: above 0 and up to 10 s are possible", o.Timeout)
	}
	return o, nil
}

func (o Options) prefix() string { return "lectern." + o.Name + "." }

func (o Options) streamName(shard int) string {
	return "LECTERN_" + o.Name + "_" + strconv.Itoa(shard)
}

// window is how long the server remembers ids: longer than an append is repeated as a rule. The server
// takes none above the age of its messages.
func (o Options) window() time.Duration { return min(30*time.Second, o.Keeps) }

// Permissions are the subjects that an engine with these options publishes and subscribes to: all that its user
// has to be allowed.
func (o Options) Permissions() (publish, subscribe []string) {
	o, _ = o.withDefaults()
	own := o.prefix() + ">"
	publish = []string{own}
	for _, call := range []string{"STREAM.CREATE", "STREAM.INFO", "STREAM.MSG.GET", "DIRECT.GET"} {
		for shard := range o.Shards {
			publish = append(publish, "$JS.API."+call+"."+o.streamName(shard))
		}
	}
	return publish, []string{own}
}

// BalancePermissions are what Balance needs beside them.
func (o Options) BalancePermissions() (publish []string) {
	o, _ = o.withDefaults()
	for shard := range o.Shards {
		publish = append(publish, "$JS.API.STREAM.LEADER.STEPDOWN."+o.streamName(shard))
	}
	return publish
}

// stream is the configuration of a shard's stream.
func (o Options) stream(shard int) nats.StreamConfig {
	log := o.prefix() + "log." + strconv.Itoa(shard)
	config := nats.StreamConfig{
		Name:        o.streamName(shard),
		Description: "groups of Lectern's cluster " + o.Name,
		Subjects:    []string{log + ".*.*"},
		RePublish: &nats.RePublish{
			Source:      log + ".*.d",
			Destination: o.prefix() + "tail." + strconv.Itoa(shard) + ".{{wildcard(1)}}",
		},
		Retention:         nats.LimitsPolicy,
		Storage:           nats.FileStorage,
		Replicas:          o.Replicas,
		MaxAge:            o.Keeps,
		MaxBytes:          o.MaxBytes,
		MaxMsgSize:        cluster.MaxGroup + room,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: -1,
		MaxConsumers:      -1,
		Discard:           nats.DiscardNew,
		Duplicates:        o.window(),
		AllowDirect:       true,
		DenyDelete:        true,
		DenyPurge:         true,
		Metadata:          map[string]string{"lectern.shards": strconv.Itoa(o.Shards)},
	}
	if o.Memory {
		config.Storage = nats.MemoryStorage
	}
	return config
}

// differences tells what of a stream is not as it should be.
func differences(got, want nats.StreamConfig) error {
	var all []error
	compare := func(what string, got, want any) {
		if got, want := fmt.Sprint(got), fmt.Sprint(want); got != want {
			all = append(all, fmt.Errorf("%s is %s, not %s", what, got, want))
		}
	}
	republish := func(r *nats.RePublish) string {
		if r == nil {
			return "nothing"
		}
		return fmt.Sprintf("%s to %s (headers only: %v)", r.Source, r.Destination, r.HeadersOnly)
	}
	compare("lectern.shards of its metadata", got.Metadata["lectern.shards"], want.Metadata["lectern.shards"])
	compare("subjects", got.Subjects, want.Subjects)
	compare("republish", republish(got.RePublish), republish(want.RePublish))
	compare("retention", got.Retention, want.Retention)
	compare("storage", got.Storage, want.Storage)
	compare("replicas", got.Replicas, want.Replicas)
	compare("max age", got.MaxAge, want.MaxAge)
	compare("max bytes", got.MaxBytes, want.MaxBytes)
	compare("max message size", got.MaxMsgSize, want.MaxMsgSize)
	compare("max messages", got.MaxMsgs, want.MaxMsgs)
	compare("max messages of a subject", got.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	compare("discard", got.Discard, want.Discard)
	compare("duplicate window", got.Duplicates, want.Duplicates)
	compare("allow direct", got.AllowDirect, want.AllowDirect)
	compare("deny delete", got.DenyDelete, want.DenyDelete)
	compare("deny purge", got.DenyPurge, want.DenyPurge)
	compare("allow roll-up", got.AllowRollup, want.AllowRollup)
	compare("allow a time of its own for each message", got.AllowMsgTTL, want.AllowMsgTTL)
	compare("no acknowledgements", got.NoAck, want.NoAck)
	compare("sealed", got.Sealed, want.Sealed)
	compare("is a mirror", got.Mirror != nil, false)
	compare("has sources", len(got.Sources) > 0, false)
	compare("has a subject transform", got.SubjectTransform != nil, false)
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("natscluster: the stream %s is there, but %w", want.Name, err)
	}
	return nil
}

// versionFits tells whether a server's version is one that has what is needed.
func versionFits(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d.", &major, &minor); err != nil {
		return false
	}
	return major > oldest[0] || major == oldest[0] && minor >= oldest[1]
}

// loopback tells whether a host, of a URL or an address, is this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.IsLoopback()
}

// allLoopback tells whether all servers of a list are this machine.
func allLoopback(servers string) bool {
	for server := range strings.SplitSeq(servers, ",") {
		server = strings.TrimSpace(server)
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		u, err := url.Parse(server)
		if err != nil || !loopback(u.Hostname()) {
			return false
		}
	}
	return true
}
