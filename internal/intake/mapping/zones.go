package mapping

import (
	"strings"

	"firstpass.internal/config"
	"firstpass.internal/internal/jml"
)

// zones find the time zone of a snapshot.
type zones struct {
	sites    map[string]config.Site
	fallback string // empty for none
}

// of returns the zone and the rule that gave it, both empty if none did. What
// the item itself says is never passed over: if it is no zone, that is an error.
func (z zones) of(given, site, country string) (string, jml.ZoneRule, error) {
	if given != "" {
		if _, err := jml.LoadZone(given); err != nil {
			return "", "", err
		}
		return given, jml.ZoneFromPayload, nil
	}
	if s := z.sites[site]; s.Zone != "" {
		return s.Zone, jml.ZoneFromSite, nil
	}
	if zone, ok := jml.SoleZone(country); ok {
		return zone, jml.ZoneFromCountry, nil
	}
	if z.fallback != "" {
		return z.fallback, jml.ZoneFromDefault, nil
	}
	return "", "", nil
}

// unknown says why no rule gave a zone, and quotes neither site nor country.
func (z zones) unknown(site, country string) string {
	why := []string{"unknown; the item gives none"}
	if site == "" {
		why = append(why, "it names no site")
	} else {
		why = append(why, "its site is not under sites")
	}
	if country == "" {
		why = append(why, "it names no country")
	} else {
		why = append(why, "its country is not one of a single zone")
	}
	return strings.Join(append(why, "and there is no default_zone"), ", ")
}
