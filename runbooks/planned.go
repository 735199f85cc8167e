package runbooks

// PlannedSpec is a step that a run will do, with its parameters filled in.
// References to values of other steps are left as they are written.
type PlannedSpec struct {
	Spec  Spec
	Group string // the innermost parallel group it is in
}

// PlannedSpecs returns the steps of the run's runbook whose conditions hold,
// in the order written.
func (s *Start) PlannedSpecs() []PlannedSpec {
	var planned []PlannedSpec
	s.planned(s.Runbook.Steps, func(spec Spec, group string) {
		spec.With = s.fill(spec.With)
		if spec.Compensate != nil {
			c := *spec.Compensate
			c.ID, c.With = spec.ID, s.fill(c.With)
			spec.Compensate = &c
		}
		planned = append(planned, PlannedSpec{spec, group})
	})
	return planned
}

func (s *Start) planned(specs []Spec, f func(Spec, string)) {
	var walk func(specs []Spec, group string)
	walk = func(specs []Spec, group string) {
		for _, spec := range specs {
			switch {
			case !holds(spec.When, s.Params):
			case len(spec.Parallel) > 0:
				walk(spec.Parallel, string(spec.ID))
			case len(spec.Sequence) > 0:
				walk(spec.Sequence, group)
			default:
				f(spec, group)
			}
		}
	}
	walk(specs, "")
}

func (s *Start) fill(with map[string]string) map[string]string {
	filled := make(map[string]string, len(with))
	for name, text := range with {
		value, err := expand(text, func(r reference) string {
			switch {
			case r.step != "":
				return r.String()
			case r.name == FromParam:
				return string(s.From)
			}
			return s.Params[r.name]
		})
		if err != nil {
			value = text
		}
		filled[name] = value
	}
	return filled
}
