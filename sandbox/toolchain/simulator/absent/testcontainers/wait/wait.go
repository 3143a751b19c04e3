// Package wait stands for the conditions under which a test container is ready.
package wait

import "time"

type Strategy struct{}

func ForHTTP(string) Strategy { return Strategy{} }

func (s Strategy) WithPort(string) Strategy                  { return s }
func (s Strategy) WithStartupTimeout(time.Duration) Strategy { return s }
