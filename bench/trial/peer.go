package trial

import (
	"fmt"
	"os"
	"path/filepath"
)

// Xargs hands what lies there to xargs, which keeps no record of anything.
func Xargs(command func(Place) []string) Contender {
	return Contender{
		Name: "xargs", Title: "`ls | xargs -P2 -n1`", Ends: true,
		Command: func(p Place) ([][]string, error) {
			return [][]string{{"ls"}, append([]string{"xargs", "-P2", "-n1"}, command(p)...)}, nil
		},
	}
}

// Queues are the programs that are given the files that lie there, a command each,
// and that know of the files only what they were told.
func Queues() []Contender {
	return []Contender{
		Xargs(Stamp).Noting(),
		shell("parallel", "GNU parallel -j2", "parallel", `ls | parallel -j2 "$@" {}`),
		leaving(shell("tsp", "task-spooler, 2 slots", "tsp", `
			export TS_SOCKET=$DIR/tsp.socket TS_SLOTS=2 TMPDIR=$DIR
			for f in *; do tsp -n "$@" "$f" >/dev/null; done
			tsp -N 2 -n true >/dev/null; tsp -w; tsp -K`)),
		leaving(shell("nq", "nq, one after the other", "nq", `
			export NQDIR=$DIR/nq; mkdir "$NQDIR"
			for f in *; do nq "$@" "$f" >/dev/null; done
			nq -w`)),
	}
}

// Daemons are the programs that wait for files and run a command for each.
func Daemons() []Contender {
	return []Contender{
		pipe("inotifywait-read", "`inotifywait | while read`", "inotifywait", inotifywait, func(p Place) []string {
			return append([]string{"bash", "-c", `while IFS= read -r f; do "$@" "$f"; done`, "bash"}, Stamp(p)...)
		}),
		pipe("inotifywait-xargs", "`inotifywait | xargs -P2 -n1`", "inotifywait", inotifywait, func(p Place) []string {
			return append([]string{"xargs", "-d", `\n`, "-P2", "-n1"}, Stamp(p)...)
		}),
		pipe("fswatch-xargs", "`fswatch | xargs -P2 -n1`", "fswatch", fswatch, func(p Place) []string {
			return append([]string{"xargs", "-0", "-P2", "-n1"}, Stamp(p)...)
		}),
		waiting(shell("inoticoming", "inoticoming", "inoticoming", `exec inoticoming --foreground "$PWD" "$@" {} \;`)),
		waiting(shell("entr", "entr on the directory, then a loop", "entr", `
			while :; do
				for f in *; do [ -e "$f" ] && "$@" "$f" && mv "$f" "$DIR/away/"; done
				echo "$PWD" | entr -dnp true >/dev/null 2>&1
			done`)),
		incron(),
		systemdPath(),
	}
}

func inotifywait(p Place) []string {
	return []string{"inotifywait", "-m", "-q", "-e", "moved_to,close_write", "--format", "%w%f", p.Inbox()}
}

func fswatch(p Place) []string {
	return []string{"fswatch", "-0", "-l", "0.1", "--event", "Created", "--event", "MovedTo", p.Inbox()}
}

// pipe is a program that tells of files, and one that it tells them to.
func pipe(name, title, program string, teller, doer func(Place) []string) Contender {
	return Contender{
		Name: name, Title: title, Needs: []string{program}, Stamps: true,
		Command: func(p Place) ([][]string, error) { return [][]string{teller(p), doer(p)}, nil },
	}
}

// shell is a contender that is a script with a command as its arguments. It runs
// in the inbox.
func shell(name, title, program, script string) Contender {
	return Contender{
		Name: name, Title: title, Needs: []string{program}, Ends: true, Stamps: true,
		Command: func(p Place) ([][]string, error) {
			prolog := fmt.Sprintf("DIR=%q\nmkdir -p \"$DIR/away\"\n", p.Dir)

			return [][]string{append([]string{"bash", "-c", prolog + script, name}, Stamp(p)...)}, nil
		},
	}
}

// waiting is a contender that goes on when it has nothing to do.
func waiting(c Contender) Contender {
	c.Ends = false

	return c
}

func leaving(c Contender) Contender {
	c.Leaves = true

	return c
}

// incron needs a table of its own, which only root may give it.
func incron() Contender {
	return Contender{
		Name: "incron", Title: "incron", Needs: []string{"incrond"}, Root: true, Stamps: true,
		Command: func(p Place) ([][]string, error) {
			tables := filepath.Join(p.Logs, "incron.d")
			users := filepath.Join(p.Logs, "incron") // it wants one, also if it is empty

			for _, dir := range []string{tables, users} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return nil, fmt.Errorf("write table: %w", err)
				}
			}

			config := filepath.Join(p.Logs, "incron.conf")
			stamp := Stamp(p)

			for path, text := range map[string]string{
				config: fmt.Sprintf("system_table_dir = %s\nuser_table_dir = %s\nlockfile_dir = %s\nlockfile_name = incrond\n",
					tables, users, p.Logs),
				filepath.Join(tables, "bench"): fmt.Sprintf("%s IN_MOVED_TO,IN_CLOSE_WRITE %s %s %s $@/$#\n",
					p.Inbox(), stamp[0], stamp[1], stamp[2]),
			} {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					return nil, fmt.Errorf("write table: %w", err)
				}
			}

			return [][]string{{"incrond", "-n", "-f", config}}, nil
		},
	}
}
