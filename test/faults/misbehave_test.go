package faults_test

// misbehave does what handlers should not do; role says what.
func (r *run) misbehave(role string, args []string) int {
	return 0
}
