package command

// firstRing is the first size of a ring's memory; it doubles as it fills.
const firstRing = 4 << 10

// ring keeps the last bytes of what is put into it, up to size. It takes memory
// only as it fills.
type ring struct {
	size int
	buf  []byte
	next int   // where the oldest byte is once buf is full
	lost int64 // bytes that were put in and are not kept
}

// put adds b.
func (r *ring) put(b []byte) {
	if over := len(b) - r.size; over > 0 {
		r.lost += int64(len(r.buf) + over)
		r.buf, r.next, b = r.buf[:0], 0, b[over:]
	}

	if room := r.size - len(r.buf); room > 0 {
		n := min(room, len(b))
		r.grow(n)
		r.buf = append(r.buf, b[:n]...)
		b = b[n:]
	}

	for len(b) > 0 {
		n := copy(r.buf[r.next:], b)
		r.next = (r.next + n) % r.size
		r.lost += int64(n)
		b = b[n:]
	}
}

// grow makes room for n bytes more, which size allows.
func (r *ring) grow(n int) {
	want := max(cap(r.buf), min(firstRing, r.size))
	for want < len(r.buf)+n {
		want = min(2*want, r.size)
	}

	if want > cap(r.buf) {
		r.buf = append(make([]byte, 0, want), r.buf...)
	}
}

// parts returns what is kept, in order, as two slices of the ring's memory.
func (r *ring) parts() (older, newer []byte) {
	return r.buf[r.next:], r.buf[:r.next]
}

// bytes returns a copy of what is kept, in order.
func (r *ring) bytes() []byte {
	older, newer := r.parts()

	return append(append(make([]byte, 0, len(r.buf)), older...), newer...)
}
