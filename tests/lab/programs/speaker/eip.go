package main

import (
	"net/netip"
	"strings"
)

const (
	bgp       = "bgp"
	separator = ";"
)

type usage = map[string]string

type eip struct {
	Spec struct {
		Address  string `json:"address"`
		Protocol string `json:"protocol"`
	} `json:"spec"`
	Status struct {
		// The "namespace/name" of the Services of an address, with separators where they share it.
		Used usage `json:"used"`
	} `json:"status"`
}

func (e *eip) protocol() string {
	if e.Spec.Protocol == "" {
		return bgp
	}
	return e.Spec.Protocol
}

// contains says whether an address is one of the Eip's: a single one, a network, or the first and the last.
func (e *eip) contains(text string) (bool, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return false, nil
	}
	if network, err := netip.ParsePrefix(e.Spec.Address); err == nil {
		return network.Contains(ip), nil
	}
	first, last, isRange := strings.Cut(e.Spec.Address, "-")
	if !isRange {
		last = first
	}
	from, err := netip.ParseAddr(strings.TrimSpace(first))
	if err != nil {
		return false, err
	}
	to, err := netip.ParseAddr(strings.TrimSpace(last))
	if err != nil {
		return false, err
	}
	return from.Compare(ip) <= 0 && ip.Compare(to) <= 0, nil
}
