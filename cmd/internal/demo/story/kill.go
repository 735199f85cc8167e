package story

import (
	"context"
	"time"

	"fairlead/api/openapi"
	"fairlead/cmd/internal/demo/ledger"
	"fairlead/cmd/internal/demo/measure"
	"fairlead/cmd/internal/demo/report"
	"fairlead/cmd/internal/demo/world"
	"fairlead/regions"
)

// kill ends the shops of us-east and watches how people get elsewhere; then
// the shops open again, and a person lets the region back.
func (s *stage) kill(ctx context.Context) error {
	const dead = world.USEast
	place, _ := world.PlaceOf(dead)
	stop := s.watchAnswers(ctx)
	defer stop()
	if err := sleep(ctx, 4*time.Second); err != nil { // everybody has shopped, every cache has turned over
		return err
	}
	s.say("kill: the shops of %s are killed", dead)
	at, err := s.KillShop(dead)
	if err != nil {
		return err
	}
	// Until the last who stretch their TTLs have asked again, and some.
	if err := sleep(ctx, moveBound+stretch+2*time.Second); err != nil {
		return err
	}
	moved := measure.Moved(s.answers.Replies(at.Add(-time.Second)), at, place.Host)
	visits := s.shoppers.Visits(at.Add(-10 * time.Second))
	everyone := measure.Recovered(visits, at, string(dead))
	honest := measure.Recovered(visits, at, string(dead), ledger.Honest, ledger.Forgetful)

	k := &s.report.Kill
	*k = report.Kill{Name: world.ReadsName, KilledAt: at, FirstNewAnswerMS: report.MS(moved.FirstNew), LastStaleMS: report.MS(moved.LastStale),
		Users95MS: report.MS(everyone.Share(0.95)), Users99MS: report.MS(everyone.Share(0.99)),
		Honest95MS: report.MS(honest.Share(0.95)), Honest99MS: report.MS(honest.Share(0.99)), UsersAffected: everyone.Affected,
		DNSQueries: moved.Queries, DNSUnanswered: moved.Unanswered,
		TTLMS: report.MS(readsTTL), CheckIntervalMS: report.MS(checkInterval), BoundMS: report.MS(moveBound), ReturnedMS: -1}
	s.say("kill: the last answer that named %s came after %d ms; 95 %% of its users were served again after %d ms", dead, k.LastStaleMS, k.Users95MS)

	hold := func(held bool, says, format string, args ...any) { s.report.Hold("kill", held, says, format, args...) }
	hold(moved.FirstNew >= 0 && moved.LastStale <= moveBound, "no answer names the dead region after 1800 ms", "last one after %d ms", k.LastStaleMS)
	hold(moved.Unanswered == 0 && moved.Queries > 0, "every DNS question is answered", "%d of %d unanswered", moved.Unanswered, moved.Queries)
	hold(everyone.Affected >= 10 && everyone.Never == 0, "every user of the dead region is served again", "%d of %d still were not", everyone.Never, everyone.Affected)
	// An honest cache may hold the last stale answer for a TTL, and then its
	// user asks within his own pace.
	honestBound := moveBound + readsTTL + time.Second
	hold(honest.Share(0.99) >= 0 && honest.Share(0.99) <= honestBound, "who honours the TTL is served again within TTL and detection", "99 %% after %d ms", k.Honest99MS)
	return s.comeBack(ctx, dead)
}

// comeBack opens a region's shops again: it stays out, until a person lets it
// back.
func (s *stage) comeBack(ctx context.Context, region regions.ID) error {
	place, _ := world.PlaceOf(region)
	s.say("kill: the shops of %s open again", region)
	if err := s.StartShop(ctx, region); err != nil {
		return err
	}
	var latched bool
	err := eventually(ctx, 20*time.Second, 50*time.Millisecond, string(region)+" is measured up again", func(ctx context.Context) error {
		r, err := s.ada.region(ctx, region)
		if err != nil {
			return err
		}
		if r.Measured != openapi.StateUp {
			return notYet("it is measured %s: %s", r.Measured, r.Because)
		}
		latched = r.Latched
		return nil
	})
	if err != nil {
		return err
	}
	healed := time.Now()
	if err := sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	early := 0
	for _, r := range s.answers.Replies(healed) {
		if r.Client == place.Client && len(r.Addresses) > 0 && r.Addresses[0] == place.Host {
			early++
		}
	}
	s.report.Hold("kill", latched && early == 0, "a region that failed whole comes back when a person says so, not before", "latched %v, %d answers before", latched, early)
	if err := s.ada.restore(ctx, region, "the shops are open again"); err != nil {
		return err
	}
	restored := time.Now()
	err = eventually(ctx, 20*time.Second, 10*time.Millisecond, string(region)+" is answered again", func(context.Context) error {
		for _, r := range s.answers.Replies(restored) {
			if r.Client == place.Client && len(r.Addresses) > 0 && r.Addresses[0] == place.Host {
				s.report.Kill.ReturnedMS = report.MS(r.Settled.Sub(restored))
				return nil
			}
		}
		return notYet("no answer names %v", place.Host)
	})
	if err != nil {
		return err
	}
	s.say("kill: ada restored %s, and it was answered again after %d ms", region, s.report.Kill.ReturnedMS)
	return nil
}
