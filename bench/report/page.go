package report

import "importerd/bench/result"

// Pages returns the report: the text of each file by its name.
func Pages(run result.Run) map[string]string { return map[string]string{} }
