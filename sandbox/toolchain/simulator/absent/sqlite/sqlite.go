// Package sqlite stands for the database of --dataset-path, which the sandbox does not use: a minute of compiling.
package sqlite
