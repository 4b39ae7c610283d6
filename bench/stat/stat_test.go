package stat_test

import (
	"testing"

	"importerd/bench/stat"
)

func TestQuantile(t *testing.T) {
	t.Parallel()

	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[99-i] = int64(i) // not sorted
	}

	for q, want := range map[float64]int64{0: 0, 0.5: 50, 0.99: 99, 0.999: 99, 1: 99} {
		if got := stat.Quantile(hundred, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}

	if hundred[0] != 99 {
		t.Error("the values were sorted in place")
	}

	if got := stat.Quantile([]int64(nil), 0.5); got != 0 {
		t.Errorf("quantile of nothing is %d", got)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 4}, 4},
		{[]float64{9, 1, 4, 2}, 3},
	} {
		if got := stat.Median(test.values); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.values, got, test.want)
		}
	}
}

func TestRatiosCompareRoundByRound(t *testing.T) {
	t.Parallel()

	// The machine became half as fast after the first round: that is no spread.
	got := stat.Ratios([]float64{100, 50, 50}, []float64{200, 100, 100, 100})
	if want := (stat.Spread{Median: 0.5, Min: 0.5, Max: 0.5, Rounds: 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}

	got = stat.Ratios([]float64{10, 20, 30}, []float64{10, 0, 10})
	if want := (stat.Spread{Median: 2, Min: 1, Max: 3, Rounds: 2}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}

	if got := stat.Ratios(nil, []float64{1}); got != (stat.Spread{}) {
		t.Errorf("ratios of nothing are %v", got)
	}
}
