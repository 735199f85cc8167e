package fake_test

import (
	"errors"
	"testing"

	"fairlead/providers"
	"fairlead/providers/fake"
	"fairlead/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Run(t, func(*testing.T) providertest.Subject {
		p := fake.New()
		return providertest.Subject{
			Provider:  p,
			Request:   providers.Request{Action: "promote", Region: "eu-central"},
			Effects:   func() int { return p.Effects("promote", "eu-central") },
			OwnEpochs: true,
		}
	})
}

func TestWhatItAnswersAndWhatItDoesAreApart(t *testing.T) {
	broken := errors.New("connection reset")
	tests := []struct {
		name    string
		script  fake.Script
		err     error
		state   string // answered by Act
		effects int
	}{
		{"acted, but answered with an error", fake.Script{Err: broken, Acted: true}, broken, "", 1},
		{"failed before it acted", fake.Script{Err: broken}, broken, "", 0},
		{"refused, and sure that it did nothing", fake.Script{Err: broken, State: providers.Untouched}, broken, providers.Untouched, 0},
		{"says done, but nothing happened", fake.Script{Lost: true}, nil, providers.Done, 0},
		{"acted, but cannot tell", fake.Script{State: providers.Unknown}, nil, providers.Unknown, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := fake.New()
			p.Next("act", "promote", tt.script)
			res, err := p.Act(t.Context(), providers.Request{Key: "k", Action: "promote", Region: "eu"})
			if !errors.Is(err, tt.err) || res.State != tt.state || p.Effects("promote", "eu") != tt.effects {
				t.Errorf("Act = %+v, %v with %d effects; want state %q, error %v, %d effects", res, err, p.Effects("promote", "eu"), tt.state, tt.err, tt.effects)
			}
		})
	}
}
