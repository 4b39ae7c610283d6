package main

import "time"

// rate counts what happens, second by second, over the last few seconds.
type rate struct {
	began   time.Time // when it was first asked or told; zero: never
	second  int64     // since the epoch: the one that is counted now
	seconds [rateOver]int
}

// count counts one more.
func (r *rate) count(now time.Time) {
	r.turn(now)
	r.seconds[r.second%rateOver]++
}

// of returns how many there were a second; false: it has not been counted for long
// enough.
func (r *rate) of(now time.Time) (float64, bool) {
	r.turn(now)

	over := min(now.Sub(r.began).Seconds(), rateOver-1+float64(now.Nanosecond())/1e9)
	if over < 1 {
		return 0, false
	}

	sum := 0
	for _, n := range r.seconds {
		sum += n
	}

	return float64(sum) / over, true
}

// turn makes now the second that is counted.
func (r *rate) turn(now time.Time) {
	if r.began.IsZero() {
		r.began, r.second = now, now.Unix()
	}

	for behind := min(now.Unix()-r.second, rateOver); behind > 0; behind-- {
		r.seconds[(now.Unix()-behind+1)%rateOver] = 0
	}

	r.second = max(r.second, now.Unix())
}
