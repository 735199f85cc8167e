package world

import (
	"net/netip"

	"fairlead/regions"
)

// Names that the world's DNS serves.
const (
	Zone       = "shop.example"
	ReadsName  = "www.shop.example"
	WritesName = "orders.shop.example"
	Database   = "orders"
)

// Place is one region of the world.
type Place struct {
	ID     regions.ID
	Title  string
	Host   netip.Addr   // where its shop and its database listen
	Node   netip.Addr   // where its Fairlead node listens, in a world with three
	Client netip.Prefix // a network of people who live there
	Group  string       // the name of those people in the steering policy
	Lat    float64
	Lon    float64
	// HasDatabase is false for the region that only sells.
	HasDatabase bool
}

// Regions of the world. The first has the primary, the second the standby.
const (
	USEast    regions.ID = "us-east"
	EUCentral regions.ID = "eu-central"
	APSouth   regions.ID = "ap-south"
)

// Places lists the regions. Networks of clients are those that RFC 5737
// keeps for documentation.
func Places() []Place {
	ip, net := netip.MustParseAddr, netip.MustParsePrefix
	return []Place{
		{ID: USEast, Title: "US East", Host: ip("127.10.0.1"), Node: ip("127.10.0.2"), Client: net("203.0.113.0/24"), Group: "americas", Lat: 38.9, Lon: -77.4, HasDatabase: true},
		{ID: EUCentral, Title: "EU Central", Host: ip("127.20.0.1"), Node: ip("127.20.0.2"), Client: net("192.0.2.0/24"), Group: "europe", Lat: 50.1, Lon: 8.7, HasDatabase: true},
		{ID: APSouth, Title: "AP South", Host: ip("127.30.0.1"), Node: ip("127.30.0.2"), Client: net("198.51.100.0/24"), Group: "asia", Lat: 19.1, Lon: 72.9},
	}
}

// PlaceOf returns the place of a region.
func PlaceOf(id regions.ID) (Place, bool) {
	for _, p := range Places() {
		if p.ID == id {
			return p, true
		}
	}
	return Place{}, false
}
