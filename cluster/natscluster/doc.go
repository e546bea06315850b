// Package natscluster is the engine for clusters (see [cluster.Engine]) on NATS JetStream: what
// several hubs on several machines share (lectern.Policy.Cluster).
//
//	engine, err := natscluster.Open(ctx, "tls://nats-1,tls://nats-2,tls://nats-3",
//		natscluster.Options{Name: "lessons"}, nats.UserCredentials("hub.creds"))
//
// # The log
//
// Keys are spread over Shards streams, which are made where they are missing and compared
// where they are there: a stream that is not as it should be is refused, with what differs.
//
//	name       LECTERN_<name>_<shard>
//	subjects   lectern.<name>.log.<shard>.*.*            key and kind: d shared, u own, s part
//	republish  lectern.<name>.log.<shard>.*.d  →  lectern.<name>.tail.<shard>.{{wildcard(1)}}
//
// A group is a message: nonce, After and Before in front, then the body. An append expects the last
// sequence of the key's pattern, over all kinds, and every append of a key names this very
// pattern, which is what the server blocks a second one by. So of all appends at one position one
// succeeds. The nonce is the message's id too: where there are several replicas the server knows an append
// that is repeated within half a minute by it, before it looks at the position. Beyond that time,
// and with one replica, where the server looks at the position first, the engine reads
// what follows the position, and compares the nonce.
//
// A linearizable read commits a message to a subject of the shard that no key has, once for
// all that wait, and then asks any replica for this subject and the key's at once: an answer
// that has the message, from whichever replica, has all that was committed before it. That there is nothing has
// to be what the leader says too, as replicas let groups go each by its own clock. The server
// has no such read by itself: its leader answers as long as it takes itself for the leader, which
// it may do for 20 seconds after it has been deposed.
//
// Reads of many groups are direct gets, which any replica answers, also one that is behind or
// frozen: so what is missing, or late, is asked of the leader by turns.
//
// # What is relied on
//
// Server 2.15 or newer. That the fence works is tried when an engine opens, by an append that must
// fail. Groups expire by the clock of each server: State tells how far those of the
// leaders are from this process's; a server that leads nothing shows it only when it does. What a majority of
// the replicas has acknowledged is kept through the death of any minority; a power failure of
// most of them can take the last two minutes, but for servers that sync always.
//
// [cluster.Engine]: https://pkg.go.dev/github.com/lectern-go/lectern/cluster#Engine
package natscluster
