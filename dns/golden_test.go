package dns_test

import (
	"flag"
	"testing"

	"fairlead/dns/dnstest"
)

var update = flag.Bool("update", false, "write the answers into the golden files")

func TestGolden(t *testing.T) {
	dnstest.Golden(t, "testdata/*.txtar", *update)
}
