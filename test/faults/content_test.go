package faults_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
)

// content is what one file holds. Its first line says who it is, what its
// handler shall do with it, and how to tell that it is whole:
//
//	importerd-test ID PLAN SIZE CRC32\n, then SIZE bytes
//
// Handlers of some plans add bytes at the end.
type content struct {
	id, plan string
	bytes    []byte
}

const magic = "importerd-test"

// newContent makes a content of up to size bytes.
func newContent(rng *rand.Rand, id, plan string, size int) *content {
	body := make([]byte, 1+rng.IntN(size))
	for i := range body {
		body[i] = byte(rng.Uint32())
	}

	head := fmt.Sprintf("%s %s %s %d %08x\n", magic, id, plan, len(body), crc32.ChecksumIEEE(body))

	return &content{id: id, plan: plan, bytes: append([]byte(head), body...)}
}

// parse reads what a file holds. The error says why it is not whole; the content
// then has an id if at least its first line is there.
func parse(text []byte) (*content, error) {
	line, body, found := bytes.Cut(text, []byte("\n"))

	var (
		c    content
		word string
		size int
		sum  uint32
	)

	n, _ := fmt.Sscanf(string(line), "%s %s %s %d %x", &word, &c.id, &c.plan, &size, &sum)
	if !found || n != 5 || word != magic {
		return &content{}, fmt.Errorf("%d bytes without a first line, as %q", len(text), text[:min(len(text), 40)])
	}

	c.bytes = text

	if len(body) < size {
		return &c, fmt.Errorf("%s is cut off: %d bytes of %d", c.id, len(body), size)
	}

	if got := crc32.ChecksumIEEE(body[:size]); got != sum {
		return &c, fmt.Errorf("%s is garbled", c.id)
	}

	return &c, nil
}
