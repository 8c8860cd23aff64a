package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

func hopsOver(nodes []*corev1.Node, rack string) ([]string, error) {
	var hops []string
	for _, node := range nodes {
		if rack != "" && node.Labels[rackLabel] != rack {
			continue
		}
		ip := internalIP(node)
		if ip == "" {
			return nil, fmt.Errorf("node %s has no InternalIP", node.Name)
		}
		hops = append(hops, ip)
	}
	return hops, nil
}

// nodesOf are the nodes that take traffic for Services: all, Ready or not, or those of the Endpoints under Local.
func (s *speaker) nodesOf(services string) ([]*corev1.Node, error) {
	found := map[string]*corev1.Node{}
	for _, key := range strings.Split(services, separator) {
		if strings.Count(key, "/") != 1 {
			continue
		}
		service := get[*corev1.Service](s.objects.services, key)
		if service == nil {
			return nil, errors.New("Service " + key + " is not known")
		}
		endpoints := get[*corev1.Endpoints](s.objects.endpoints, key)
		if endpoints == nil {
			return nil, errors.New("Endpoints " + key + " are not known")
		}
		local := service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
		has := placesOf(endpoints)
		for _, node := range list[*corev1.Node](s.objects.nodes) {
			if !local || has[node.Name] {
				found[node.Name] = node
			}
		}
	}
	return slices.Collect(maps.Values(found)), nil
}

func placesOf(endpoints *corev1.Endpoints) map[string]bool {
	found := map[string]bool{}
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			if address.NodeName != nil {
				found[*address.NodeName] = true
			}
		}
	}
	return found
}
