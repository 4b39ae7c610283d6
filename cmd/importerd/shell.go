package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"importerd/internal/job"
)

// adviseShell says what is wrong with a command that puts the path of the file into
// the text of a shell's program; empty: it does not. A file could be called
// "$(reboot).csv", and the shell would do it.
func adviseShell(command []string) string {
	shells := []string{"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"}

	for i, arg := range command { // also behind env, nice or timeout
		shell := filepath.Base(arg)
		if !slices.Contains(shells, shell) || !strings.Contains(shellProgram(command[i+1:]), "{}") {
			continue
		}

		return fmt.Sprintf("command %s -c: the {} within its program makes shell code of the names of files: "+
			`write %[1]s -c '... "$1"' %[1]s {}`, job.Show(shell))
	}

	return ""
}

// shellProgram returns the text of the program among the arguments of a shell, the
// first that is no option after one with a c in it; empty: there is none.
func shellProgram(args []string) string {
	inText := false

	for _, arg := range args {
		switch {
		case strings.HasPrefix(arg, "-"):
			inText = inText || !strings.HasPrefix(arg, "--") && strings.Contains(arg, "c")
		case inText:
			return arg
		default:
			return "" // the file of a program, whose arguments may hold what they like
		}
	}

	return ""
}
