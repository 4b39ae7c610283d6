package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/oasdiff/yaml"
)

const (
	rulesFile     = "../../../packaging/prometheus/importerd.rules.yaml"
	dashboardFile = "../../../packaging/grafana/importerd.json"
)

// read returns a file of the repository.
func read(t *testing.T, path string) []byte {
	t.Helper()

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	return text
}

// rules are the alert rules.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert       string
			Expr        string
			For         string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

// readRules parses the alert rules.
func readRules(t *testing.T) rules {
	t.Helper()

	var r rules

	text, err := yaml.YAMLToJSON(read(t, rulesFile))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}

	if err != nil {
		t.Fatal(err)
	}

	return r
}

func TestRules(t *testing.T) {
	t.Parallel()

	inSummary := regexp.MustCompile(`\$labels\.(\w+)`)
	n := 0

	for _, group := range readRules(t).Groups {
		for _, rule := range group.Rules {
			labels := checkQuery(t, rule.Alert, rule.Expr)
			summary := rule.Annotations["summary"]
			n++

			for _, match := range inSummary.FindAllStringSubmatch(summary, -1) {
				if _, ok := labels[match[1]]; !ok {
					t.Errorf("%s: there is no label %s for the summary", rule.Alert, match[1])
				}
			}

			if len(strings.Fields(summary)) < 15 || !strings.HasSuffix(summary, ".") {
				t.Errorf("%s: the summary does not say what to do: %q", rule.Alert, summary)
			}

			if severity := rule.Labels["severity"]; severity != "critical" && severity != "warning" {
				t.Errorf("%s: severity %q", rule.Alert, severity)
			}
		}
	}

	if n < 10 {
		t.Errorf("only %d rules were found", n)
	}
}

// TestRulesFire runs the alerts on made-up values. Without promtool that cannot be done.
func TestRulesFire(t *testing.T) {
	t.Parallel()

	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not there (Debian has it in the package prometheus)")
	}

	path, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}

	test := filepath.Join(t.TempDir(), "alerts.yaml")
	text := strings.ReplaceAll(string(read(t, "testdata/alerts.yaml")), "[RULES]", "["+path+"]")

	if err := os.WriteFile(test, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, args := range [][]string{{"check", "rules", path}, {"test", "rules", test}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}

	for _, group := range readRules(t).Groups {
		for _, rule := range group.Rules {
			if !strings.Contains(text, `alertname="`+rule.Alert+`"`) {
				t.Errorf("no test lets %s fire", rule.Alert)
			}
		}
	}
}

// panel is one panel of the dashboard.
type panel struct {
	ID          int
	Title       string
	Description string
	Datasource  struct{ UID string }
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
}

func TestDashboard(t *testing.T) {
	t.Parallel()

	var board struct {
		UID, Title  string
		Panels      []panel
		Annotations struct{ List []struct{ Expr string } }
		Templating  struct {
			List []struct{ Name, Type, Definition string }
		}
	}

	if err := json.Unmarshal(read(t, dashboardFile), &board); err != nil {
		t.Fatal(err)
	}

	variables := map[string]bool{"__rate_interval": true, "__range": true, "__interval": true}
	query := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

	for _, v := range board.Templating.List {
		variables[v.Name] = true

		if v.Type != "query" {
			continue
		}

		match := query.FindStringSubmatch(v.Definition)
		if match == nil {
			t.Fatalf("variable %s is %q", v.Name, v.Definition)
		}

		if _, ok := checkQuery(t, v.Name, match[1])[match[2]]; !ok {
			t.Errorf("%s has no label %s", match[1], match[2])
		}
	}

	for _, a := range board.Annotations.List {
		checkVariables(t, a.Expr, variables)
		checkQuery(t, "annotation", a.Expr)
	}

	for _, p := range board.Panels {
		checkPanel(t, p, variables)
	}

	if board.UID == "" || board.Title == "" || len(board.Panels) < 10 {
		t.Errorf("%q %q with %d panels", board.UID, board.Title, len(board.Panels))
	}

	checkPlaces(t, board.Panels)
}

func checkPanel(t *testing.T, p panel, variables map[string]bool) {
	t.Helper()

	legend := regexp.MustCompile(`\{\{ *(\w+) *\}\}`)

	if p.Title == "" || p.Description == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
		t.Errorf("panel %d lacks something: %+v", p.ID, p)
	}

	for _, target := range p.Targets {
		labels := checkQuery(t, p.Title, target.Expr)
		checkVariables(t, target.Expr, variables)

		for _, match := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
			if _, ok := labels[match[1]]; !ok {
				t.Errorf("%s: there is no label %s for the legend", p.Title, match[1])
			}
		}
	}
}

// checkVariables complains about variables that the dashboard does not have.
func checkVariables(t *testing.T, expr string, variables map[string]bool) {
	t.Helper()

	for _, match := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(expr, -1) {
		if !variables[match[1]] {
			t.Errorf("there is no variable %s, which %s has", match[1], expr)
		}
	}
}

// checkPlaces complains about panels with one number and about those that overlap.
func checkPlaces(t *testing.T, panels []panel) {
	t.Helper()

	seen := map[string]string{}
	take := func(place, title string) {
		if other, taken := seen[place]; taken {
			t.Errorf("%q and %q share %s", other, title, place)
		}

		seen[place] = title
	}

	for _, p := range panels {
		take(fmt.Sprintf("number %d", p.ID), p.Title)

		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				take(fmt.Sprintf("column %d, row %d", p.GridPos.X+x, p.GridPos.Y+y), p.Title)
			}
		}

		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%q is too far to the right", p.Title)
		}
	}
}
