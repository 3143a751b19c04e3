// Package ginkgo stands for the framework of test helpers that upstream keeps beside its code.
package ginkgo

func Fail(string, ...int) {}
