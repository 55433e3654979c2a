package channel

import "encoding/json"

// teams posts Adaptive Cards to the Workflows app of Microsoft Teams, the
// successor of the connectors' webhooks.
// docs: learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
type teams struct{}

// Teams refuses messages of more than about 28 KB.
const teamsLimit = 24 << 10

type object map[string]any

func (teams) kind() Kind { return KindTeams }

// body sets text in RichTextBlocks: a TextBlock would read Markdown, links among
// it, out of names.
func (teams) body(m Message) any {
	blocks := []object{richText(m.Subject, true)}
	for _, l := range lines(m.Text) {
		blocks = append(blocks, richText(l, false))
	}
	out := object{
		"type": "message",
		"attachments": []object{{
			"contentType": "application/vnd.microsoft.card.adaptive",
			"contentUrl":  nil,
			"content": object{
				"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
				"type":    "AdaptiveCard",
				"version": "1.4",
				"lang":    m.Locale,
				"rtl":     m.Dir == "rtl",
				"body":    blocks,
			},
		}},
	}
	if raw, err := json.Marshal(out); err != nil || len(raw) > teamsLimit {
		return nil
	}
	return out
}

func richText(s string, heading bool) object {
	run := object{"type": "TextRun", "text": s}
	if heading {
		run["weight"], run["size"] = "Bolder", "Medium"
	}
	return object{"type": "RichTextBlock", "inlines": []object{run}}
}

// probe is nil: whatever is posted starts the workflow.
func (teams) probe() any        { return nil }
func (teams) alive(reply) bool  { return false }
func (teams) code(reply) string { return "" }
