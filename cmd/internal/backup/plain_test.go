//go:build !race

package backup_test

const stride = 1
