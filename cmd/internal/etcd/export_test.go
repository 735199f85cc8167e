package etcd

import "path/filepath"

// ClientSocket is where a client of the embedded member may connect.
func ClientSocket(d *DB) string {
	sockets, remove, err := socketDir(d.set.Dir)
	if err != nil {
		panic(err)
	}
	remove()
	return filepath.Join(sockets, "client.sock")
}
