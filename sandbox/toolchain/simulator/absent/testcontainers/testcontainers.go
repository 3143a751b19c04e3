// Package testcontainers stands for the containers of test helpers that upstream keeps beside its code.
package testcontainers

import (
	"context"
	"errors"
)

var errAbsent = errors.New("test containers are not part of this build")

type (
	Container struct{}
	Option    struct{}
	Port      string
)

func Run(context.Context, string, ...Option) (*Container, error) { return nil, errAbsent }

func WithCmd(...string) Option           { return Option{} }
func WithEntrypoint(...string) Option    { return Option{} }
func WithExposedPorts(...string) Option  { return Option{} }
func WithTmpfs(map[string]string) Option { return Option{} }
func WithWaitStrategy(...any) Option     { return Option{} }

func (*Container) Host(context.Context) (string, error)             { return "", errAbsent }
func (*Container) MappedPort(context.Context, string) (Port, error) { return "", errAbsent }
func (*Container) Terminate(context.Context) error                  { return errAbsent }

func (p Port) Port() string { return string(p) }
