package faults_test

import (
	"fmt"
	"strings"
)

// suspectAt is how often the daemon must die on a file before it may give it up.
const suspectAt = 10

// judge reads a history and finds what must not be in it.
type judge struct {
	deliveries map[string]*delivery
	jobs       map[string]*jobStory
	contents   map[string]*contentStory
	turns      map[string]int  // of each name, the one that was last handled
	kills      int             // so far
	repeats    int             // runs after a success whose end nobody saw: the window that the design tells of
	suspects   map[string]bool // jobs given up since the daemon has died too often
	wrongs     []string
}

// jobStory is what was told of one job.
type jobStory struct {
	recorded bool   // its outcome is in the journal
	told     string // how it has ended; empty: it has not
	kills    int    // as that was told
}

// contentStory is what has happened to one content.
type contentStory struct {
	job                     string
	runs, refusals, attempt int
	life                    int  // of the last run
	kills                   int  // at the first run
	exit                    *int // of the last run; nil: it did not come to its end
}

func newJudge(deliveries map[string]*delivery) *judge {
	return &judge{
		deliveries: deliveries, jobs: map[string]*jobStory{}, contents: map[string]*contentStory{},
		turns: map[string]int{}, suspects: map[string]bool{},
	}
}

func (j *judge) wrong(i int, e event, format string, args ...any) {
	j.wrongs = append(j.wrongs, at(i, e)+": "+fmt.Sprintf(format, args...))
}

// read reads all events, in order.
func (j *judge) read(events []event) {
	for i, e := range events {
		switch e.Message {
		case killed:
			j.kills++
		case handlerRun:
			j.run(i, e)
		case handlerEnd:
			c := j.story(e.Content)
			if c.exit = e.Exit; *e.Exit != 0 {
				c.refusals++
			}
		case torn:
			j.wrong(i, e, "the handler got a file that is not whole: %s", e.Err)
		case collision:
			j.wrong(i, e, "two handlers at once: %s", e.Err)
		case recorded:
			j.job(e.Job).recorded = true
		case "job done", "job failed":
			j.told(i, e)
		case "no event":
			if !strings.HasPrefix(e.Err, "importerd: ") { // why it has ended; a panic looks otherwise
				j.wrong(i, e, "the daemon says %q", e.Err)
			}
		}
	}
}

func (j *judge) story(content string) *contentStory {
	c := j.contents[content]
	if c == nil {
		c = &contentStory{}
		j.contents[content] = c
	}

	return c
}

// job returns the story of a job of which the end is known.
func (j *judge) job(id string) *jobStory {
	story := j.jobs[id]
	if story == nil {
		story = &jobStory{}
		j.jobs[id] = story
	}

	return story
}

func (j *judge) run(i int, e event) {
	c := j.story(e.Content)

	if job := j.jobs[e.Job]; job != nil {
		j.wrong(i, e, "runs although its end was recorded (%v) or told (%q)", job.recorded, job.told)
	}

	if c.runs > 0 {
		j.again(i, e, c)
	} else {
		c.kills = j.kills
	}

	if d := j.deliveries[e.Content]; d == nil {
		j.wrong(i, e, "nobody has delivered that")
	} else if d.turn < j.turns[d.name] {
		j.wrong(i, e, "a later one of its name was handled before: %d after %d", d.turn, j.turns[d.name])
	} else {
		j.turns[d.name] = d.turn
	}

	c.job, c.attempt, c.life, c.exit = e.Job, e.Attempt, e.Life, nil
	c.runs++
}

// again judges one more run of a content.
func (j *judge) again(i int, e event, c *contentStory) {
	hit := e.Life > c.life // a daemon's death may have come between

	switch {
	case c.job != e.Job:
		j.wrong(i, e, "it ran as job %s before", c.job)
	case e.Attempt < c.attempt || e.Attempt > c.attempt+1:
		j.wrong(i, e, "the attempt before was %d", c.attempt)
	case c.exit == nil && !hit:
		j.wrong(i, e, "the run before has not come to its end, and nobody has killed anything")
	case c.exit != nil && *c.exit == 0 && !hit:
		j.wrong(i, e, "the run before has succeeded")
	case c.exit != nil && *c.exit == 0:
		j.repeats++
	}
}

// told judges what is told of a job's end.
func (j *judge) told(i int, e event) {
	story := j.job(e.Job)

	if story.told != "" && story.told != e.Message {
		j.wrong(i, e, "before it was told %q", story.told)
	} else if story.told != "" && story.kills == j.kills {
		j.wrong(i, e, "it was told twice")
	}

	story.told, story.kills = e.Message, j.kills

	if strings.HasPrefix(e.Err, "suspect") {
		j.suspects[e.Job] = true
	}
}

// ends wants each delivery to have ended as its plan says, and no job besides.
func (j *judge) ends() {
	for id, d := range j.deliveries {
		c := j.contents[id]
		if c == nil {
			j.wrongs = append(j.wrongs, fmt.Sprintf("%s (%s) was never handled", id, d.name))

			continue
		}

		want := "job done"
		if d.plan == planBad || j.suspects[c.job] && j.kills-c.kills >= suspectAt {
			want = "job failed"
		}

		if story := j.jobs[c.job]; story == nil || story.told != want {
			j.wrongs = append(j.wrongs, fmt.Sprintf("%s (%s, %s, job %s) has ended with %+v, want %q",
				id, d.name, d.plan, c.job, story, want))
		}
	}

	if len(j.jobs) != len(j.deliveries) {
		j.wrongs = append(j.wrongs, fmt.Sprintf("%d jobs have ended, %d files were delivered", len(j.jobs), len(j.deliveries)))
	}
}

// runs returns how many runs there were.
func (j *judge) runs() int {
	n := 0
	for _, c := range j.contents {
		n += c.runs
	}

	return n
}
