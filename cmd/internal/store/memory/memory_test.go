package memory_test

import (
	"testing"

	"fairlead/cmd/internal/store"
	"fairlead/cmd/internal/store/memory"
	"fairlead/cmd/internal/store/storetest"
)

func TestKV(t *testing.T) {
	kv := memory.New()
	storetest.KV(t, kv, func(*testing.T) { kv.Compact() })
}

func TestStore(t *testing.T) {
	storetest.Store(t, func(*testing.T) store.KV { return memory.New() })
}
