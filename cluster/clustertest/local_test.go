package clustertest

import (
	"testing"

	"github.com/lectern-go/lectern/cluster"
)

// local opens the engine in the process, once for all.
func local(_ testing.TB, s Settings) []cluster.Engine {
	e := cluster.NewLocalWith(cluster.LocalOptions{Keeps: s.Keeps, MaxBytes: s.MaxBytes})
	engines := make([]cluster.Engine, s.Engines)
	for i := range engines {
		engines[i] = e
	}
	return engines
}

func TestLocal(t *testing.T)         { TestEngine(t, local) }
func TestLocalInBubble(t *testing.T) { TestEngineInBubble(t, local) }
