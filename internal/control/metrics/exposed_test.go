package metrics_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// exposed is one name that may be asked for, with the values of its labels.
type exposed map[string]map[string]bool

// exposedNames returns all names that the daemon really exposes, as a query
// would write them.
func exposedNames(t *testing.T) map[string]exposed {
	t.Helper()

	all := map[string]exposed{}

	for name, family := range families(t) {
		names := []string{name}
		if family.GetType() == dto.MetricType_HISTOGRAM {
			names = []string{name + "_bucket", name + "_sum", name + "_count"}
		}

		for _, n := range names {
			all[n] = labelsOf(family)
		}

		if family.GetType() == dto.MetricType_HISTOGRAM {
			all[name+"_bucket"]["le"] = nil
		}
	}

	return all
}

// families returns what a scrape answers.
func families(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()

	parser := expfmt.NewTextParser(model.LegacyValidation)

	found, err := parser.TextToMetricFamilies(strings.NewReader(scrape(t, fullMetrics())))
	if err != nil {
		t.Fatal(err)
	}

	return found
}

// labelsOf returns the labels of a family with all their values. Those that a
// scrape adds may have any.
func labelsOf(family *dto.MetricFamily) exposed {
	labels := exposed{"job": nil, "instance": nil}

	for _, metric := range family.GetMetric() {
		for _, pair := range metric.GetLabel() {
			if labels[pair.GetName()] == nil {
				labels[pair.GetName()] = map[string]bool{}
			}

			labels[pair.GetName()][pair.GetValue()] = true
		}
	}

	return labels
}

// checkQuery complains about names, labels and values in a query that the daemon
// does not expose, and returns the labels that its metrics have.
func checkQuery(t *testing.T, where, query string) exposed {
	t.Helper()

	known := exposedNames(t)
	known["up"] = exposed{"job": nil, "instance": nil} // Prometheus makes it

	used, labels := parseQuery(t, query)
	if len(used) == 0 {
		t.Errorf("%s: no metric in %s", where, query)
	}

	all := exposed{}

	for _, u := range used {
		if known[u.name] == nil {
			t.Errorf("%s: the daemon does not expose %s", where, u.name)

			continue
		}

		maps.Copy(all, known[u.name])

		for label, value := range u.equal {
			values, ok := known[u.name][label]
			if !ok || values != nil && !values[value] && !strings.HasPrefix(value, "$") {
				t.Errorf("%s: %s has no %s=%q", where, u.name, label, value)
			}
		}
	}

	for _, label := range labels {
		if _, ok := all[label]; !ok {
			t.Errorf("%s: nothing in %s has a label %s", where, query, label)
		}
	}

	return all
}

func TestCheckQueryFindsMistakes(t *testing.T) {
	t.Parallel()

	for query, want := range map[string]string{
		`sum(rate(a_total{b="c", d=~"e|f"}[5m])) by (g) > 1e3`:                  "a_total|b=c d=e|f|g",
		`sum without (x) (a) / on (y, z) group_left (w) b offset 5m`:            "a b||x y z w",
		`histogram_quantile(0.95, sum by (le) (rate(h_bucket[$__interval])))`:   "h_bucket||le",
		`a{x!="b", y="}"} unless on () vector(0) and b[1h:5m] @ end() or c ^ 2`: "a b c|x=b y=}|",
		`{b="c"}`: "||",
	} {
		used, labels := parseQuery(t, query)

		var names, equal []string

		for _, u := range used {
			names = append(names, u.name)
			for _, label := range slices.Sorted(maps.Keys(u.equal)) {
				equal = append(equal, label+"="+u.equal[label])
			}
		}

		got := strings.Join(names, " ") + "|" + strings.Join(equal, " ") + "|" + strings.Join(labels, " ")
		if got != want {
			t.Errorf("%s is read as %s, want %s", query, got, want)
		}
	}
}
