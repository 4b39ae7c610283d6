// Package drain starts what lives long, and stops it in order and in time.
//
// Stages leads from the intake context to the work context: the first signal
// ends the intake of new work, what runs may finish until its limit, the second
// signal cuts it off, the third one kills. Group holds what lives as long as the
// daemon: started in order, stopped in reverse, each with a name and a bound.
package drain
