package outbox

import "sync"

// pooledBatchSize is how many messages a batch from the pool has memory for. A batch
// that grows beyond it does not go back to the pool, so that a burst does not stay in
// memory.
const pooledBatchSize = 8

// batchPool has the memory for what waits. An empty queue holds no such memory.
var batchPool = sync.Pool{New: func() any { return new([pooledBatchSize][]byte) }}

// getBatch returns an empty batch. putBatch gives it back.
func getBatch() [][]byte { return batchPool.Get().(*[pooledBatchSize][]byte)[:0] }

// putBatch clears a batch that was written, and gives its memory back to the pool.
func putBatch(batch [][]byte) {
	clear(batch)
	if cap(batch) == pooledBatchSize {
		batchPool.Put((*[pooledBatchSize][]byte)(batch[:pooledBatchSize]))
	}
}
