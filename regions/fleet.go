package regions

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Fleet is everything that the configuration describes: what there is, how it
// is checked, who may be sent where, and the procedures for the worst day. It
// is decided state: it travels to every node whole, and a node that has one
// can judge, steer and answer alone.
type Fleet struct {
	Regions   []Region   `json:"regions"`
	Services  []Service  `json:"services,omitempty"`
	Databases []Database `json:"databases,omitempty"`
	Zones     []Zone     `json:"zones,omitempty"`
	Runbooks  []Document `json:"runbooks,omitempty"`
	// Recovery is nil where nobody has a key.
	Recovery *Recovery `json:"recovery,omitempty"`
}

// Region is one place that can fail as a whole.
type Region struct {
	ID        ID      `json:"id"`
	Title     string  `json:"title,omitempty"` // for people: "US East"
	Latitude  float64 `json:"latitude,omitempty"`
	Longitude float64 `json:"longitude,omitempty"`
}

// Mode says whether a service's verdicts reach its answers.
type Mode string

const (
	Steer   Mode = "steer"   // judged, and answered accordingly
	Observe Mode = "observe" // judged and reported, never answered
)

// Service is one DNS name whose answer depends on what is believed of its
// endpoints.
type Service struct {
	ID        ServiceID     `json:"id"`
	Name      Name          `json:"name"`
	Mode      Mode          `json:"mode"`
	TTL       time.Duration `json:"ttl"`
	Check     Check         `json:"check"`
	Quorum    Rule          `json:"quorum"`
	Policy    Policy        `json:"policy"`
	Writes    *Writes       `json:"writes,omitempty"`
	Endpoints []Endpoint    `json:"endpoints"`
}

// Writes pins a service's answer to the region that may write a database.
type Writes struct {
	Database DatabaseID `json:"database"`
	// Remote is true where the application can write across regions; then
	// the name is not pinned.
	Remote bool `json:"remote,omitempty"`
}

// Pinned reports whether the service follows a database's writer, and which.
func (s Service) Pinned() (DatabaseID, bool) {
	if s.Writes == nil || s.Writes.Remote {
		return "", false
	}
	return s.Writes.Database, true
}

// Rule is how many vantage points must agree before a verdict changes; 0
// means a majority of those that are heard, be it one alone.
type Rule int

// Endpoint is one place in one region that serves a service.
type Endpoint struct {
	ID        TargetID     `json:"id"` // "www@us-east", or "www@us-east/2"
	Region    ID           `json:"region"`
	Addresses []netip.Addr `json:"addresses"` // what is answered: IPv4 as A, IPv6 as AAAA
	// CheckAddress is host:port to check where that differs from the first
	// address and the check's port.
	CheckAddress string `json:"check_address,omitempty"`
	Check        *Check `json:"check,omitempty"` // where it differs from the service's
}

// EndpointID makes the identifier of the nth (from 1) endpoint of a service
// in a region.
func EndpointID(service ServiceID, region ID, n int) TargetID {
	if n <= 1 {
		return TargetID(fmt.Sprintf("%s@%s", service, region))
	}
	return TargetID(fmt.Sprintf("%s@%s/%d", service, region, n))
}

// Database is a set of servers of which exactly one may be written to.
type Database struct {
	ID      DatabaseID `json:"id"`
	Engine  string     `json:"engine"` // "postgres"
	Writer  ID         `json:"writer"` // who writes in the very first epoch; never looked at again
	Members []Member   `json:"members"`
	// MaxLagBytes and MaxLagTime are the most that an unplanned promotion may
	// lose before a person has to raise the ceiling.
	MaxLagBytes int64         `json:"max_lag_bytes"`
	MaxLagTime  time.Duration `json:"max_lag_time"`
	Check       Check         `json:"check"`
}

// Member is the server of a database in one region.
type Member struct {
	Region ID `json:"region"`
	// DSN is a libpq connection string without a password: secrets do not
	// enter the store.
	DSN          string `json:"dsn"`
	PasswordFile string `json:"password_file,omitempty"`
	// Agent is host:port of the agent beside the server.
	Agent string `json:"agent,omitempty"`
	// Control is a program that controls the server where no agent does; it
	// gets the verb as one more argument.
	Control []string `json:"control,omitempty"`
}

// MemberID makes the target identifier of a database's member.
func MemberID(database DatabaseID, region ID) TargetID {
	return TargetID(fmt.Sprintf("%s#%s", database, region))
}

// Member returns the database's server in a region.
func (d Database) Member(region ID) (Member, bool) {
	i := slices.IndexFunc(d.Members, func(m Member) bool { return m.Region == region })
	if i < 0 {
		return Member{}, false
	}
	return d.Members[i], true
}

// Zone is a zone file: the static part of what is answered below Origin.
type Zone struct {
	Origin Name   `json:"origin"`
	File   string `json:"file"` // where it was read, for error messages
	Text   string `json:"text"`
}

// Document is a file that another part of Fairlead reads, such as a runbook.
type Document struct {
	Name string `json:"name"`
	File string `json:"file"`
	Text string `json:"text"`
}

// Region returns the region of that name.
func (f *Fleet) Region(id ID) (Region, bool) {
	i := slices.IndexFunc(f.Regions, func(r Region) bool { return r.ID == id })
	if i < 0 {
		return Region{}, false
	}
	return f.Regions[i], true
}

// Service returns the service of that identifier.
func (f *Fleet) Service(id ServiceID) (Service, bool) {
	i := slices.IndexFunc(f.Services, func(s Service) bool { return s.ID == id })
	if i < 0 {
		return Service{}, false
	}
	return f.Services[i], true
}

// Database returns the database of that identifier.
func (f *Fleet) Database(id DatabaseID) (Database, bool) {
	i := slices.IndexFunc(f.Databases, func(d Database) bool { return d.ID == id })
	if i < 0 {
		return Database{}, false
	}
	return f.Databases[i], true
}

// Runbook returns the text of the runbook of that name.
func (f *Fleet) Runbook(name string) (Document, bool) {
	i := slices.IndexFunc(f.Runbooks, func(d Document) bool { return d.Name == name })
	if i < 0 {
		return Document{}, false
	}
	return f.Runbooks[i], true
}
