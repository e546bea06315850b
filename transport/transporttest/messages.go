package transporttest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// messageCases are about messages on a healthy connection.
var messageCases = []testCase{
	{"Order", testOrder},
	{"Batch", testBatch},
	{"Empty", testEmpty},
	{"Large", testLarge},
	{"WriterOwnsItsSlices", testWriterOwnsItsSlices},
	{"ReaderOwnsItsSlice", testReaderOwnsItsSlice},
	{"FullDuplex", testFullDuplex},
	{"Load", testLoad},
}

const whole = "each message arrives once, whole, and in the order in which it was written"

func testOrder(h *harness) {
	h.eachWay(ordinary, func(_ *link, from, to *end) {
		const count = 300
		size := func(i int) int { return i * 37 % 1009 }
		writing := from.start("Write", func() ([]byte, error) {
			for i := range count {
				if err := from.Write(pattern(i, size(i))); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		to.expectAll(count, func(i int) []byte { return pattern(i, size(i)) }, whole)
		writing.succeed("Write blocks only for as long as the peer does not read")
	})
}

func testBatch(h *harness) {
	h.eachWay(ordinary, func(_ *link, from, to *end) {
		var messages [][]byte
		for i := range 500 {
			messages = append(messages, pattern(i, i*i%4099)) // empty ones among them
		}
		kept := make([][]byte, len(messages))
		for i := range messages {
			kept[i] = bytes.Clone(messages[i])
		}
		writing := from.startWrite(messages...)
		to.expectAll(len(kept), func(i int) []byte { return kept[i] }, "each slice given to one Write is a message of its own, in order")
		writing.succeed("Write blocks only for as long as the peer does not read")
		for i := range kept {
			if !bytes.Equal(messages[i], kept[i]) {
				h.Fatal("Write changed a slice that it was given: the slices are the caller's")
			}
		}
		from.write() // no message at all
		from.write([]byte("after nothing"))
		to.expect([]byte("after nothing"), "a Write of no messages sends none")
	})
}

func testEmpty(h *harness) {
	h.eachWay(ordinary, func(_ *link, from, to *end) {
		from.write([]byte{})
		from.write(nil, []byte("between"), []byte{})
		for _, want := range []string{"", "", "between", ""} {
			to.expect([]byte(want), "a message may be empty, and is a message then as well")
		}
	})
}

func testLarge(h *harness) {
	h.eachWay(ordinary, func(_ *link, from, to *end) {
		limit := ordinary.MaxFrameBytes
		for i, size := range []int{1, 125, 126, 127, 4091, 4096, 4097, 16384, 65535, 65536, 65537, limit - 1, limit, 3, limit} {
			message := pattern(i, size)
			writing := from.startWrite(message)
			to.expect(message, "a message of any size up to the limit arrives whole, the limit itself included")
			writing.succeed("Write blocks only for as long as the peer does not read")
		}
	})
}

func testWriterOwnsItsSlices(h *harness) {
	const promise = "Write does not keep the slices: the caller may reuse them once it has returned"
	h.eachWay(ordinary, func(_ *link, from, to *end) {
		// Each size has its own way through an adapter.
		for _, size := range []int{10, 3000, 20_000} {
			first, second := pattern(1, size), pattern(2, size)
			writing := from.start("Write", func() ([]byte, error) {
				err := from.Write(first, second)
				clear(first)
				clear(second)
				return nil, err
			})
			h.settle()
			to.expect(pattern(1, size), promise)
			to.expect(pattern(2, size), promise)
			writing.succeed("Write blocks only for as long as the peer does not read")
		}

		// The same slice may be in several messages, as in a broadcast, and
		// what the reader does to its slice is nobody else's matter.
		shared := pattern(3, 1000)
		writing := from.startWrite(shared, shared, shared)
		for range 3 {
			got := to.read()
			if !bytes.Equal(got, pattern(3, 1000)) {
				h.Fatal("a change to the slice that Read returned has reached another message: until the next Read it is the reader's")
			}
			clear(got)
		}
		writing.succeed("Write blocks only for as long as the peer does not read")
		if !bytes.Equal(shared, pattern(3, 1000)) {
			h.Fatal("a change to the slice that Read returned has reached the writer's: Write does not keep the slices")
		}
	})
}

func testReaderOwnsItsSlice(h *harness) {
	h.eachWay(ordinary, func(_ *link, from, to *end) {
		from.write(pattern(0, 100))
		for i := range 20 {
			got := to.read()
			from.write(pattern(i+1, 100))
			h.settle()
			if !bytes.Equal(got, pattern(i, 100)) {
				h.Fatal("the slice that Read returned changed before the next Read: it is valid until then")
			}
			for j := range got {
				got[j] = 0xee
			}
		}
		to.expect(pattern(20, 100), "the reader may change the bytes of the slice that Read returned")
	})
}

func testFullDuplex(h *harness) {
	l := h.connect(ordinary)
	// A Read in progress must not keep a Write from going on, at either end.
	for i := range 10 {
		readA, readB := l.a.startRead(), l.b.startRead()
		h.settle()
		l.a.write(pattern(i, 50))
		l.b.write(pattern(i+100, 50))
		readB.succeed("Read and Write may run at once")
		readA.succeed("Read and Write may run at once")
		if !bytes.Equal(readB.data, pattern(i, 50)) || !bytes.Equal(readA.data, pattern(i+100, 50)) {
			h.Fatal("a Read returned what was not written at the other end")
		}
	}
	// Nor a Write in progress a Read: both ends write more than fits in between
	// before either has read.
	count := 100
	if h.clock == bubbleTime {
		count = 40 // sockets have the largest buffers
	}
	bulk := make([][]byte, count)
	for i := range bulk {
		bulk[i] = pattern(i, 64<<10)
	}
	writeA, writeB := l.a.startWrite(bulk...), l.b.startWrite(bulk...)
	h.settle()
	for i := range bulk {
		l.a.expect(bulk[i], whole)
		l.b.expect(bulk[i], whole)
	}
	writeA.succeed("Write blocks only for as long as the peer does not read")
	writeB.succeed("Write blocks only for as long as the peer does not read")
}

func testLoad(h *harness) {
	const count = 3000
	l := h.connect(ordinary)
	// Both sides know the sizes from the seed.
	sizes := func(seed uint64) func() int {
		random := rand.New(rand.NewPCG(seed, 0))
		return func() int {
			if random.IntN(50) == 0 {
				return random.IntN(30_000)
			}
			return random.IntN(300)
		}
	}
	var reads, writes []*call
	for i, way := range [][2]*end{{l.a, l.b}, {l.b, l.a}} {
		from, to, seed := way[0], way[1], uint64(i)
		writes = append(writes, from.start("Write", func() ([]byte, error) {
			size, batches := sizes(seed), rand.New(rand.NewPCG(seed, 1))
			for sent := 0; sent < count; {
				var batch [][]byte
				for range min(1+batches.IntN(20), count-sent) {
					batch = append(batch, pattern(sent, size()))
					sent++
				}
				if err := from.Write(batch...); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}))
		reads = append(reads, to.start("Read", func() ([]byte, error) {
			size := sizes(seed)
			for i := range count {
				got, err := to.Read()
				if err != nil {
					return nil, err
				}
				if want := pattern(i, size()); !bytes.Equal(got, want) {
					return nil, fmt.Errorf("message %d is %s, want %s: %s", i, describe(got), describe(want), whole)
				}
			}
			return nil, nil
		}))
	}
	for _, c := range append(reads, writes...) {
		c.succeed("traffic both ways at once flows for as long as both ends read")
	}
}
