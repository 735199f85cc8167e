package sim_test

import (
	"flag"
	"reflect"
	"strings"
	"testing"

	"fairlead/cmd/internal/sim"
)

var seeds = flag.Uint64("seeds", 2000, "how many")
var from = flag.Uint64("from", 0, "first")

var one = flag.Int64("seed", -1, "one")

func TestSeed(t *testing.T) {
	if *one >= 0 {
		t.Log(sim.Play(uint64(*one), sim.Shipped(), true).String())
	}
}

func TestHistories(t *testing.T) {
	var sum sim.Figures
	failed := 0
	for seed := *from; seed < *from+*seeds; seed++ {
		r := sim.Play(seed, sim.Shipped(), false)
		if r.Broken != nil {
			t.Errorf("seed %d: %s: %s", seed, r.Broken.Promise, r.Broken.How)
			if failed++; failed > 20 {
				break
			}
		}
		a, b := reflect.ValueOf(&sum).Elem(), reflect.ValueOf(r.Figures)
		for i := range a.NumField() {
			a.Field(i).SetInt(a.Field(i).Int() + b.Field(i).Int())
		}
	}
	t.Logf("%+v", sum)
}

func TestEachMutantIsFound(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.core+" "+m.mistake, func(t *testing.T) {
			cores := sim.Shipped()
			m.make(&cores)
			for seed := range uint64(1000) {
				if r := sim.Play(seed, cores, false); r.Broken != nil {
					t.Logf("seed %d: %s: %s", seed, r.Broken.Promise, r.Broken.How)
					if m.breaks != "" && !strings.Contains(r.Broken.Promise, m.breaks) {
						continue
					}
					return
				}
			}
			t.Errorf("not found")
		})
	}
}
