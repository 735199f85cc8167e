// Package slowdisk is a file system that passes everything on to a directory,
// except that it can be told to wait in fsync: the disk whose controller
// thinks, of which reads and writes into memory know nothing.
package slowdisk
