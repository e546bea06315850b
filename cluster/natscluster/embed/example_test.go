package embed_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/natscluster"
	"github.com/lectern-go/lectern/cluster/natscluster/embed"
)

func Example() {
	dir, err := os.MkdirTemp("", "lessons")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	servers, err := embed.Start(embed.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer servers.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	engine, err := natscluster.Open(ctx, servers.URL(), natscluster.Options{Name: "lessons", Replicas: 1})
	if err != nil {
		panic(err)
	}
	defer engine.Close()

	key := cluster.KeyOf("algebra")
	group := cluster.Group{Kind: cluster.Own, Nonce: cluster.NewNonce(), Body: []byte("the first")}
	for { // an append whose outcome is not known is settled by itself
		if _, err = engine.Append(ctx, key, group); err == nil || ctx.Err() != nil {
			break
		}
	}
	last, err := engine.LastLinearizable(ctx, key)
	fmt.Println(string(last.Body), err)
	// Output: the first <nil>
}
