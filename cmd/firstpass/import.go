package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"firstpass.internal/internal/intake"
)

type importCmd struct {
	File   string `arg:"" help:"CSV or JSON file, as the source's own." type:"existingfile"`
	Source string `help:"Source whose mapping reads it." required:"" placeholder:"NAME"`
	Full   bool   `help:"The file holds everybody: who is missing has vanished."`
	DryRun bool   `help:"Show what it would change; change nothing."`
}

// Run implements the command.
func (i *importCmd) Run(ctx context.Context, env *environment) error {
	with := env.connectedDesk
	if i.DryRun {
		with = env.desk
	}
	x, err := env.compiler()
	if err != nil {
		return err
	}
	return with(ctx, func(d *intake.Desk) error {
		out, err := d.Import(ctx, intake.ImportConfig{
			Source: i.Source, File: i.File, Full: i.Full, DryRun: i.DryRun, Compiler: x,
			Beat: func(read int) { env.progress("read %d", read) },
		})
		if err != nil {
			return sourceError(err)
		}
		if err := env.print(out, func(w io.Writer) { i.text(w, out) }); err != nil {
			return err
		}
		switch {
		case len(out.Refused) > 0:
			return hinted{fmt.Errorf("%s: nothing was applied", i.File), "mend the lines named above"}
		case out.Braked != "" && !i.DryRun:
			return hinted{fmt.Errorf("the brake stopped it: %s", out.Braked), "if the file is right: firstpass source release " + i.Source + " --reason TEXT, and import again"}
		}
		return nil
	})
}

// listedAtMost bounds the changes that are listed for people; --json has all.
const listedAtMost = 50

func (i *importCmd) text(w io.Writer, out intake.Imported) {
	if len(out.Changes) > 0 {
		tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(tw, "WHERE\tREF\tNEW\tTOLD")
		for n, c := range out.Changes {
			if n == listedAtMost {
				break
			}
			told := "joiner"
			if !c.Tells {
				told = "nobody"
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", c.Where, c.Ref, factWords(c.Facts), told)
		}
		_ = tw.Flush()
		if n := len(out.Changes) - listedAtMost; n > 0 {
			fmt.Fprintf(w, "and %d more; --json lists all\n", n)
		}
		fmt.Fprintln(w)
	}
	for _, b := range out.Bad {
		fmt.Fprintln(w, b)
	}
	for _, r := range out.Refused {
		if len(out.Bad) == 0 {
			fmt.Fprintln(w, r)
		}
	}
	verb := "applied"
	if i.DryRun {
		verb = "dry run"
	}
	fmt.Fprintf(w, "%s: %d read, %d unchanged, %d changed, %d vanished, %d unreadable, %d passed over\n",
		verb, out.Read, out.Unchanged, out.Changed, out.Vanished, len(out.Bad), out.PassedOver)
	if i.DryRun && out.Braked != "" {
		fmt.Fprintf(w, "the brake would stop it: %s\n", out.Braked)
	}
}
