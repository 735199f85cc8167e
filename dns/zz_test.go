package dns_test
import ("testing";"os";"time";"fairlead/dns";"fairlead/dns/zone";"runtime")
func TestZZ(t *testing.T) {
	for range 3 {
	a := time.Now()
	z, err := zone.Load("big.test", "/tmp/d/big200000.zone")
	if err != nil { t.Fatal(err) }
	b := time.Now()
	s, err := dns.Compile([]*zone.Zone{z}, parsePlan(t, ""))
	c := time.Now()
	var m runtime.MemStats
	runtime.GC(); runtime.ReadMemStats(&m)
	h1 := m.HeapAlloc
	t.Log("load", b.Sub(a), "compile", c.Sub(b), "heap", h1>>20)
	runtime.KeepAlive(s)
	z = nil
	}
	_ = os.Args
}
