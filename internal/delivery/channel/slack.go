package channel

import (
	"net/http"
	"slices"
	"strings"
)

// slack posts blocks to an incoming webhook.
// docs: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
type slack struct{}

// Limits of Slack's blocks, in characters and in number.
const (
	slackHeader  = 150
	slackSection = 3000
	slackBlocks  = 50
)

func (slack) kind() Kind { return KindSlack }

// body sets text in plain_text objects: in mrkdwn ones a name with asterisks or
// colons would come out as something else.
func (slack) body(m Message) any {
	text := lines(m.Text)
	if len([]rune(escapeSlack(m.Subject))) > slackHeader || len(text) >= slackBlocks {
		return nil
	}
	blocks := []object{{"type": "header", "text": plainText(m.Subject)}}
	for _, l := range text {
		if len([]rune(escapeSlack(l))) > slackSection {
			return nil
		}
		blocks = append(blocks, object{"type": "section", "text": plainText(l)})
	}
	return object{"text": escapeSlack(m.Subject), "mrkdwn": false, "unfurl_links": false, "unfurl_media": false, "blocks": blocks}
}

func plainText(s string) object {
	return object{"type": "plain_text", "text": escapeSlack(s), "emoji": false}
}

// escapeSlack takes the meaning from the three characters that have one, as in
// <!channel>. docs: docs.slack.dev/messaging/formatting-message-text
func escapeSlack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// probe is a message without text, which Slack refuses before it posts anything.
// So people who try webhooks report; Slack documents the word, not the order of
// its checks.
func (slack) probe() any { return object{"text": ""} }

// alive takes the refusal of the empty message for a yes: a webhook that does
// not exist is refused with another word.
func (s slack) alive(r reply) bool {
	return r.status == http.StatusBadRequest && slices.Contains([]string{"no_text", "missing_text_or_fallback_or_attachments"}, s.code(r))
}

// code returns the body, if it is one of the words that Slack answers with.
func (slack) code(r reply) string {
	body := strings.TrimSpace(string(r.body))
	if slices.Contains([]string{
		"action_prohibited", "channel_is_archived", "channel_not_found", "invalid_blocks", "invalid_payload", "invalid_token",
		"missing_text_or_fallback_or_attachments", "no_active_hooks", "no_service", "no_service_id", "no_team", "no_text",
		"posting_to_general_channel_denied", "rate_limited", "rollup_error", "team_disabled", "too_many_attachments", "user_not_found",
	}, body) {
		return body
	}
	return ""
}
