package api

import "reflect"

// whole returns v with every nil slice and map in it replaced by an empty one,
// so that a list without elements is [] on the wire and never null. Slices are
// copied before they are changed: what v was made of stays as it is.
func whole[T any](v T) T {
	r := reflect.New(reflect.TypeFor[T]()).Elem()
	r.Set(reflect.ValueOf(v))
	fill(r)
	return r.Interface().(T)
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && holdsLists(v.Type().Elem()) {
			twin := reflect.New(v.Type().Elem())
			twin.Elem().Set(v.Elem())
			fill(twin.Elem())
			v.Set(twin)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f)
			}
		}
	case reflect.Slice:
		twin := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(twin, v)
		if holdsLists(v.Type().Elem()) {
			for i := range twin.Len() {
				fill(twin.Index(i))
			}
		}
		v.Set(twin)
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	}
}

// holdsLists reports whether filling a value of this type can change it.
func holdsLists(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map, reflect.Pointer:
		return true
	}
	return false
}
