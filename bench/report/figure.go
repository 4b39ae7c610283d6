package report

import "fmt"

// figure writes a number with as many digits as mean something.
func figure(x float64) string {
	switch {
	case x < 0:
		return "-" + figure(-x)
	case x == 0:
		return "0"
	case x >= 1000:
		return thousands(int(x + 0.5))
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.1:
		return fmt.Sprintf("%.2f", x)
	default:
		return fmt.Sprintf("%.3f", x)
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}

	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
