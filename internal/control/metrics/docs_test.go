package metrics_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

const docsFile = "../../../docs/monitoring.md"

// checkTable complains unless what stands in the page behind a mark is the table.
func checkTable(t *testing.T, mark, table string) {
	t.Helper()

	_, after, found := strings.Cut(string(read(t, docsFile)), "<!-- "+mark+" -->\n")
	shown, _, ended := strings.Cut(after, "<!-- end -->")

	if !found || !ended || strings.TrimSpace(shown) != strings.TrimSpace(table) {
		t.Errorf("docs/monitoring.md does not show the %s as they are. It should have:\n\n%s", mark, table)
	}
}

// TestPageShowsMetrics compares the page with what is exposed.
func TestPageShowsMetrics(t *testing.T) {
	t.Parallel()

	var b strings.Builder

	b.WriteString("| metric | | labels | |\n| --- | --- | --- | --- |\n")

	all := families(t)

	for _, withSpool := range []bool{true, false} {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			family := all[name]

			labels := slices.Sorted(maps.Keys(labelsOf(family)))
			labels = slices.DeleteFunc(labels, func(l string) bool { return l == "job" || l == "instance" })

			if !strings.HasPrefix(name, "importerd_") || slices.Contains(labels, "spool") != withSpool {
				continue
			}

			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, kind(family), strings.Join(labels, ", "), family.GetHelp())
		}
	}

	checkTable(t, "metrics", b.String())
}

// kind returns the type of a family in lower case.
func kind(family *dto.MetricFamily) string { return strings.ToLower(family.GetType().String()) }

// TestPageShowsAlerts compares the page with the rules.
func TestPageShowsAlerts(t *testing.T) {
	t.Parallel()

	var b strings.Builder

	b.WriteString("| alert | fires when | for |\n| --- | --- | --- |\n")

	for _, group := range readRules(t).Groups {
		for _, rule := range group.Rules {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", rule.Alert, strings.Join(strings.Fields(rule.Expr), " "), rule.For)
		}
	}

	checkTable(t, "alerts", b.String())
}
