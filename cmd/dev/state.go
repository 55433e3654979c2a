package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"

	"firstpass.internal/internal/simulated"
)

// worldPorts are the ports of a world. They are chosen at its first start and
// kept, so that addresses in a browser or a configuration go on working.
type worldPorts struct {
	Intake   int                `json:"intake"`
	WebUI    int                `json:"web_ui"`
	MailPage int                `json:"mail_page"`
	Manage   int                `json:"tenant_page"`
	Codec    int                `json:"codec"`
	Graph    int                `json:"graph"`
	Mail     int                `json:"mail"`
	Pickup   int                `json:"pickup"`
	Texts    int                `json:"texts"`
	TextPage int                `json:"text_page"`
	EID      int                `json:"eid"`
	Ops      int                `json:"ops"`
	Metrics  int                `json:"metrics"`
	Temporal [temporalPorts]int `json:"temporal"`
}

const portsFile = "ports.json"

func (p *worldPorts) all() []*int {
	list := []*int{&p.Intake, &p.WebUI, &p.MailPage, &p.Manage, &p.Codec, &p.Graph, &p.Mail,
		&p.Pickup, &p.Texts, &p.TextPage, &p.EID, &p.Ops, &p.Metrics}
	for i := range p.Temporal {
		list = append(list, &p.Temporal[i])
	}
	return list
}

// readPorts returns the ports of the world in dir.
func readPorts(dir string) (worldPorts, error) {
	var p worldPorts
	raw, err := os.ReadFile(filepath.Join(dir, portsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("there is no development world in %s; start one with: firstpass-dev run --dir %s", dir, dir)
	}
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	if err != nil {
		return p, fmt.Errorf("%s: %w; remove it to have new ports chosen", filepath.Join(dir, portsFile), err)
	}
	return p, nil
}

// keptPorts returns the ports of the world in dir, choosing those it does not
// have: all if it is new, some if it is older than what needs them.
func keptPorts(dir string) (p worldPorts, err error) {
	if _, err := os.Stat(filepath.Join(dir, portsFile)); !errors.Is(err, fs.ErrNotExist) {
		if p, err = readPorts(dir); err != nil {
			return p, err
		}
	}
	missing := slices.DeleteFunc(p.all(), func(port *int) bool { return *port != 0 })
	if len(missing) == 0 {
		return p, nil
	}
	free, err := freePorts(len(missing))
	if err != nil {
		return p, err
	}
	for i, port := range missing {
		*port = free[i]
	}
	raw, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return p, err
	}
	return p, simulated.ReplaceFile(filepath.Join(dir, portsFile), append(raw, '\n'))
}

// checkFree complains of the first port that somebody holds, before anything
// is half started.
func (p *worldPorts) checkFree(dir string) error {
	for _, port := range p.all() {
		l, err := net.Listen("tcp", loopback(*port))
		if err != nil {
			return portTaken(dir, *port, *port == p.Intake, err)
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func portTaken(dir string, port int, intake bool, cause error) error {
	if pid, err := os.ReadFile(filepath.Join(dir, pidFile)); intake && err == nil {
		// Only where the system does not end it with us.
		return fmt.Errorf("port %d is taken, perhaps by a firstpass that outlived its world: "+
			"if process %s is one, end it (kill %[2]s) and try again: %w", port, string(pid), cause)
	}
	return fmt.Errorf("port %d is taken by another program: end that, or remove %s to have new ports chosen: %w",
		port, filepath.Join(dir, portsFile), cause)
}
