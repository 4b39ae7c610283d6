// Package stat says what a handful of measurements show: the middle, the spread,
// and how two contenders compare round by round.
package stat

import (
	"cmp"
	"slices"
)

// Number is what can be measured.
type Number interface {
	~int | ~int64 | ~float64
}

// Quantile returns the value below which the share q (0 to 1) of all values lies:
// the nearest rank, one of the values. Without values it is 0.
func Quantile[T Number](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}

	sorted := slices.SortedFunc(slices.Values(values), cmp.Compare)
	rank := int(q * float64(len(sorted)))

	return sorted[max(0, min(rank, len(sorted)-1))]
}

// Median returns the middle value, or the mean of the two in the middle.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}

	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2

	if len(sorted)%2 == 1 {
		return sorted[half]
	}

	return (sorted[half-1] + sorted[half]) / 2
}

// Spread is a median and between which values the rounds lay.
type Spread struct {
	Median, Min, Max float64
	Rounds           int
}

// Of returns the spread of values.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}

	return Spread{Median(values), slices.Min(values), slices.Max(values), len(values)}
}

// Ratios returns the spread of a[i]/b[i]: rounds that were run one after the other
// are compared with each other, so that a machine that grows slower harms no one.
// Rounds that one of them lacks do not count.
func Ratios(a, b []float64) Spread {
	var ratios []float64

	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			ratios = append(ratios, a[i]/b[i])
		}
	}

	return Of(ratios)
}
