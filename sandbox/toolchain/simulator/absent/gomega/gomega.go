// Package gomega stands for the matchers of test helpers that upstream keeps beside its code.
package gomega

type Assertion struct{}

func Expect(...any) Assertion { return Assertion{} }

func (Assertion) To(...any) bool    { return false }
func (Assertion) NotTo(...any) bool { return false }

func BeNil() any        { return nil }
func BeTrue() any       { return nil }
func Equal(any) any     { return nil }
func HaveLen(any) any   { return nil }
func HaveOccurred() any { return nil }
