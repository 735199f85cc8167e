package regions

import "time"

// CheckKind is what a check speaks.
type CheckKind string

const (
	HTTP     CheckKind = "http"
	HTTPS    CheckKind = "https"
	TCP      CheckKind = "tcp"
	Postgres CheckKind = "postgres"
)

// Check says how a target is checked and how many results in a row change
// what a vantage point believes of it.
type Check struct {
	Kind     CheckKind     `json:"kind"`
	Interval time.Duration `json:"interval"` // from the start of one check to the start of the next
	Timeout  time.Duration `json:"timeout"`  // may exceed Interval: checks overlap then
	Jitter   time.Duration `json:"jitter"`   // shifts a check within its slot; never accumulates
	Rise     int           `json:"rise"`     // successes in a row until it is up
	Fall     int           `json:"fall"`     // failures in a row until it is down
	Port     uint16        `json:"port,omitempty"`
	HTTP     HTTPCheck     `json:"http,omitzero"`
}

// HTTPCheck holds what only HTTP and HTTPS checks need.
type HTTPCheck struct {
	Path     string `json:"path,omitempty"`
	Host     string `json:"host,omitempty"`     // Host header and SNI; default the service's name
	Contains string `json:"contains,omitempty"` // text that the first 64 KiB of the body must contain
	// StatusMin and StatusMax bound the status codes that count as success.
	StatusMin int `json:"status_min,omitempty"`
	StatusMax int `json:"status_max,omitempty"`
	// Insecure accepts any certificate: reachability is checked, not trust.
	Insecure bool `json:"insecure,omitempty"`
}

// Defaults of a check; none of them can hurt.
const (
	DefaultInterval = 10 * time.Second
	DefaultTimeout  = 4 * time.Second
	DefaultRise     = 2
	DefaultFall     = 3
	MinInterval     = 200 * time.Millisecond
	MaxInterval     = time.Hour
	MaxTimeout      = time.Minute
)

// CheckOf returns the check that applies to an endpoint of the service.
func (s Service) CheckOf(e Endpoint) Check {
	if e.Check != nil {
		return *e.Check
	}
	return s.Check
}
