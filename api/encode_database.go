package api

import (
	"fairlead/api/openapi"
	"fairlead/regions"
)

func encodeDatabases(v View) []openapi.Database {
	var out []openapi.Database
	for _, d := range fleetIn(v).Databases {
		out = append(out, encodeDatabase(v, d))
	}
	return out
}

func encodeDatabase(v View, d regions.Database) openapi.Database {
	out := openapi.Database{Id: string(d.ID), Engine: d.Engine, WriterRegion: string(d.Writer)}
	if v.Decided != nil {
		if signed, ok := v.Decided.Writers[d.ID]; ok {
			out.WriterRegion = string(signed.Epoch.Writer)
			out.Epoch = openapi.Epoch{Incarnation: int64(signed.Epoch.Incarnation), Number: int64(signed.Epoch.Number)}
		}
	}
	for _, m := range d.Members {
		id := regions.MemberID(d.ID, m.Region)
		verdict := v.Verdicts[id]
		member := v.Members[id]
		member.Region = string(m.Region)
		if member.State == "" {
			member.State = encodeState(verdict.Measured)
		}
		if member.Because == "" {
			member.Because = verdict.Because
		}
		if member.Role == "" {
			member.Role = "unknown"
		}
		out.Members = append(out.Members, member)
	}
	return out
}
