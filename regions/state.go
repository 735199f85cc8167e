package regions

import "fairlead/regions/fault"

// State is what is believed of a target or a region.
type State uint8

const (
	Unknown  State = iota // nobody has said anything that still counts
	Up                    // answers as it should
	Degraded              // answers, with something of it missing; still steered to
	Down                  // does not answer as it should
)

var stateNames = [...]string{"unknown", "up", "degraded", "down"}

// String returns the state's name, such as "degraded".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[Unknown]
}

// Serves reports whether users may be sent to something in this state.
func (s State) Serves() bool { return s == Up || s == Degraded }

// ParseState is the inverse of [State.String].
func ParseState(text string) (State, error) {
	for s, name := range stateNames {
		if name == text {
			return State(s), nil
		}
	}
	return Unknown, fault.Invalidf("state "+text, "is not a state").Do("use up, degraded or down")
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the state's name.
func (s *State) UnmarshalText(text []byte) error {
	parsed, err := ParseState(string(text))
	*s = parsed
	return err
}
