package steps

import (
	"cmp"
	"net"
	"net/url"
	"strings"

	"fairlead/regions"
)

// server names a database's server for people: its address, never its whole
// connection string.
func server(m regions.Member) string {
	host, port, socket := "", "5432", false
	if u, err := url.Parse(m.DSN); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		host, port = u.Hostname(), cmp.Or(u.Port(), port)
	} else {
		for _, field := range strings.Fields(m.DSN) {
			switch name, value, _ := strings.Cut(field, "="); name {
			case "host", "hostaddr":
				host = strings.Trim(value, "'")
			case "port":
				port = strings.Trim(value, "'")
			}
		}
	}
	socket = strings.HasPrefix(host, "/")
	switch {
	case host == "":
		return "its server"
	case socket:
		return host + ":" + port
	}
	return net.JoinHostPort(host, port)
}
