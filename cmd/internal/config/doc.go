// Package config turns what people write into values that cannot be wrong:
// one YAML file, or a directory of them, becomes a [Config].
//
// It is strict (an unknown key is an error), it fills in defaults, and it
// finds all problems at once, each as file:line:column with what to do: nobody
// should have to run it ten times to mend ten mistakes. To know the place of
// each value it walks the syntax tree itself instead of decoding by
// reflection.
//
// Zone files and runbooks are read and checked with it, so a configuration
// that loads can be served. Secrets are never in it, only the names of files
// that hold them.
package config
