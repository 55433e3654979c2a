package main

import (
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run implements the command.
func (c *completionCmd) Run(env *environment) error {
	text := map[string]string{
		"bash": `# firstpass completion bash > /etc/bash_completion.d/firstpass
_firstpass() {
    local IFS=$'\n'
    COMPREPLY=($(firstpass complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _firstpass firstpass
`,
		"zsh": `#compdef firstpass
# firstpass completion zsh > "${fpath[1]}/_firstpass"
_firstpass() {
    local -a lines
    lines=("${(@f)$(firstpass complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    lines=("${(@)lines//:/\\:}")
    lines=("${(@)lines//$'\t'/:}")
    _describe firstpass lines || _files
}
compdef _firstpass firstpass
`,
		"fish": `# firstpass completion fish > ~/.config/fish/completions/firstpass.fish
complete -c firstpass -f -a '(firstpass complete (commandline -opc)[2..-1] (commandline -ct))'
`,
	}[c.Shell]
	return env.print(map[string]string{"shell": c.Shell, "script": text}, func(w io.Writer) { _, _ = io.WriteString(w, text) })
}

type completeCmd struct {
	Words []string `arg:"" optional:""`
}

// Run implements the command: it prints what the last word may become, a line
// each, with a tab and what it means. It reads no configuration and asks nobody.
func (c *completeCmd) Run(env *environment) error {
	_, err := io.WriteString(env.term.out, strings.Join(append(complete(env.model.Node, c.Words), ""), "\n"))
	return err
}

// complete returns what the last of words may become.
func complete(node *kong.Node, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	wants := (*kong.Flag)(nil) // whose value comes next
	positional := 0
	for _, word := range words[:len(words)-1] {
		switch {
		case word == "=": // bash takes --flag=value apart
		case wants != nil:
			wants = nil
		case strings.HasPrefix(word, "-"):
			name, _, whole := strings.Cut(word, "=")
			if f := flagOf(node, name); f != nil && !f.IsBool() && !f.IsCounter() && !whole {
				wants = f
			}
		default:
			if child := childOf(node, word); child != nil {
				node, positional = child, 0
			} else {
				positional++
			}
		}
	}
	if last == "=" {
		last = ""
	}
	var out []string
	add := func(value, help string) {
		if strings.HasPrefix(value, last) && value != "" {
			out = append(out, strings.TrimRight(value+"\t"+help, "\t"))
		}
	}
	switch {
	case wants != nil:
		for _, v := range wants.EnumSlice() {
			add(v, "")
		}
	case strings.HasPrefix(last, "-"):
		for _, list := range node.AllFlags(true) {
			for _, f := range list {
				add("--"+f.Name, firstSentence(f.Help))
			}
		}
	default:
		for _, child := range node.Children {
			if !child.Hidden {
				add(child.Name, firstSentence(child.Help))
			}
		}
		if positional < len(node.Positional) {
			for _, v := range node.Positional[positional].EnumSlice() {
				add(v, "")
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func childOf(node *kong.Node, name string) *kong.Node {
	i := slices.IndexFunc(node.Children, func(c *kong.Node) bool { return c.Name == name && !c.Hidden })
	if i < 0 {
		return nil
	}
	return node.Children[i]
}

func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, list := range node.AllFlags(false) {
		for _, f := range list {
			if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

func firstSentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(first, ".")
}
