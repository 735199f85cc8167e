// Package version knows which Fairlead this is. The linker fills it in.
package version

import "runtime/debug"

// Version is the release, such as "v0.3.1", or what git says of the commit.
var Version = ""

// String returns the version, or "development" for a program that was built
// without one.
func String() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
