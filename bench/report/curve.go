package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"importerd/bench/plan"
	"importerd/bench/result"
	"importerd/bench/stat"
	"importerd/bench/trial"
)

// chart is a picture of curves. Both axes are given by their marks; y is
// logarithmic.
type chart struct {
	title, x, y  string
	marks        []mark // of the x axis, ascending
	lines        []line
	lowest, most float64 // of y, decades
}

type mark struct {
	at    float64
	label string
}

// line is the curve of one contender.
type line struct {
	title  string
	ours   bool
	points [][2]float64
}

// rates are files per second over the number of files that wait.
func rates(run result.Run) chart {
	c := chart{
		title: "Files of 1 KiB wait: files per second", x: "files", y: "files/s",
		marks: []mark{{3, "1,000"}, {4, "10,000"}, {5, "100,000"}, {6, "1,000,000"}},
	}

	for _, name := range []string{"backlog-1k", "backlog-command", "backlog-worker", "backlog-100k", "backlog-1M"} {
		row, ok := run.Row(name)
		if !ok {
			continue
		}

		for _, contender := range row.Contenders {
			if of := row.Of(contender.Name); len(of) > 0 {
				rate := stat.Median(row.Values(contender.Name, trial.Sample.Rate))
				c.add(contender, [2]float64{math.Log10(float64(of[0].Files)), rate})
			}
		}
	}

	return c.scaled()
}

// waits are how long files waited: the share of files on an axis that gives each
// nine as much room.
func waits(run result.Run, row, title string) chart {
	c := chart{
		title: title, x: "share of files", y: "ms",
		marks: []mark{{0, "0"}, {nines(0.5), "50 %"}, {1, "90 %"}, {2, "99 %"}, {3, "99.9 %"}},
	}

	found, _ := run.Row(row)
	for _, contender := range found.Contenders {
		for _, rank := range trial.Ranks() {
			ms := 1000 * stat.Median(found.Values(contender.Name, func(s trial.Sample) float64 { return s.Wait(rank) }))
			if rank < 1 && ms > 0 {
				c.add(contender, [2]float64{nines(rank), ms})
			}
		}
	}

	return c.scaled()
}

func nines(share float64) float64 { return -math.Log10(1 - share) }

func (c *chart) add(contender result.Contender, point [2]float64) {
	i := slices.IndexFunc(c.lines, func(l line) bool { return l.title == contender.Title })
	if i < 0 {
		i = len(c.lines)
		ours := strings.HasPrefix(contender.Name, "importerd") && contender.Name != plan.OldName
		c.lines = append(c.lines, line{title: contender.Title, ours: ours})
	}

	c.lines[i].points = append(c.lines[i].points, point)
}

// scaled lets the y axis begin and end with whole decades.
func (c chart) scaled() chart {
	low, high := math.Inf(1), math.Inf(-1)

	for _, l := range c.lines {
		for _, p := range l.points {
			low, high = min(low, p[1]), max(high, p[1])
		}
	}

	if math.IsInf(low, 1) {
		low, high = 1, 10
	}

	c.lowest = math.Floor(math.Log10(low))
	c.most = max(c.lowest+1, math.Ceil(math.Log10(high)))

	return c
}

// Places in the picture, in pixels.
const (
	width, height = 900, 420
	left, right   = 80, 560 // of the curves; the names stand right of them
	top, bottom   = 50, 360
)

// colours of the curves, one after the other: easy to tell apart, also for those
// who do not see all of them.
const colours = "#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #7f7f7f #000000 #8c564b"

func (c chart) svg() string {
	var text strings.Builder

	fmt.Fprintf(&text, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"
font-family="sans-serif" font-size="13">
<rect width="%d" height="%d" fill="white"/>
<text x="%d" y="24" font-size="16">%s</text>
<text x="%d" y="%d" text-anchor="middle">%s</text>
<text x="%d" y="%d" text-anchor="end">%s</text>
`, width, height, width, height, left, escape(c.title), (left+right)/2, bottom+40, escape(c.x),
		left-8, top-12, escape(c.y))

	c.grid(&text)

	palette := strings.Fields(colours)
	for i, l := range c.lines {
		c.draw(&text, l, i, palette[i%len(palette)])
	}

	text.WriteString("</svg>\n")

	return text.String()
}

func (c chart) grid(text *strings.Builder) {
	for decade := int(c.lowest); decade <= int(c.most); decade++ {
		y := c.down(math.Pow10(decade))
		fmt.Fprintf(text, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y, right, left-8, y+4, plain(math.Pow10(decade)))
	}

	for _, m := range c.marks {
		x := c.along(m.at)
		fmt.Fprintf(text, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x, top, bottom, x, bottom+18, m.label)
	}
}

func (c chart) draw(text *strings.Builder, l line, i int, colour string) {
	thick := 1.5
	if l.ours {
		thick = 3.5
	}

	places := make([]string, 0, len(l.points))
	for _, p := range l.points {
		x, y := c.along(p[0]), c.down(p[1])
		places = append(places, fmt.Sprintf("%.1f,%.1f", x, y))
		fmt.Fprintf(text, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`+"\n", x, y, thick+1, colour)
	}

	fmt.Fprintf(text, `<polyline points="%s" fill="none" stroke="%s" stroke-width="%.1f"/>`+"\n",
		strings.Join(places, " "), colour, thick)

	y := top + 10 + 22*i
	fmt.Fprintf(text, `<path d="M%d %dh22" stroke="%s" stroke-width="%.1f"/>`, right+15, y, colour, thick)
	fmt.Fprintf(text, `<text x="%d" y="%d" font-size="11">%s</text>`+"\n",
		right+43, y+4, escape(strings.ReplaceAll(l.title, "`", "")))
}

// along and down place a point.
func (c chart) along(x float64) float64 {
	first, last := c.marks[0].at, c.marks[len(c.marks)-1].at

	return left + (x-first)/(last-first)*(right-left)
}

func (c chart) down(y float64) float64 {
	return bottom - (math.Log10(y)-c.lowest)/(c.most-c.lowest)*(bottom-top)
}

// plain writes a power of ten.
func plain(x float64) string {
	if x >= 1 {
		return thousands(int(x))
	}

	return fmt.Sprint(x)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
