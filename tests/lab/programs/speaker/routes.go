package main

import (
	"context"
	"fmt"
	"log"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

const (
	serviceValue = "openelb"
	eipName      = "eip.openelb.kubesphere.io/v1alpha2"
)

// announced are the Eips as they were when they were last acted on, and the addresses of Services on their own account.
type announced struct {
	lock     sync.Mutex
	eips     map[string]*eip
	services map[string][]string
}

func newAnnounced() *announced {
	return &announced{eips: map[string]*eip{}, services: map[string][]string{}}
}

func isOurs(service *corev1.Service) bool {
	return service.Spec.Type == corev1.ServiceTypeLoadBalancer && service.Annotations[annotation] == serviceValue
}

func (s *speaker) watchServices(queue *controller) {
	// Handlers are refused only once an informer has been stopped.
	_, _ = s.objects.services.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    queue.add,
		UpdateFunc: func(_, service any) { queue.add(service) },
		DeleteFunc: queue.add,
	})
	of := func(endpoints any) {
		key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(endpoints)
		if err != nil {
			return
		}
		if service := get[*corev1.Service](s.objects.services, key); service != nil && isOurs(service) {
			queue.queue.Add(key)
		}
	}
	_, _ = s.objects.endpoints.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    of,
		UpdateFunc: func(_, endpoints any) { of(endpoints) },
		DeleteFunc: of,
	})
}

func (s *speaker) watchEips(queue *controller) {
	_, _ = s.objects.eips.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    queue.add,
		UpdateFunc: func(_, obj any) { queue.add(obj) },
		DeleteFunc: queue.add,
	})
}

// reconcileService announces the addresses that a Service has of an Eip that is known.
func (s *speaker) reconcileService(_ context.Context, key string) error {
	s.announced.lock.Lock()
	defer s.announced.lock.Unlock()
	service := get[*corev1.Service](s.objects.services, key)
	if service == nil || service.DeletionTimestamp != nil || !isOurs(service) {
		return s.forget(key, nil)
	}
	name := service.Labels[eipName]
	if name == "" {
		name = service.Annotations[eipName]
	}
	of := s.announced.eips[name]
	if of == nil || of.protocol() != bgp {
		return s.forget(key, nil)
	}
	used := usage{}
	for _, each := range service.Status.LoadBalancer.Ingress {
		services := of.Status.Used[each.IP]
		if services == key {
			used[each.IP] = key
			continue
		}
		within, err := of.contains(each.IP)
		if err != nil {
			return err
		}
		if within {
			used[each.IP] = strings.TrimPrefix(services+separator+key, separator)
		}
	}
	if err := s.forget(key, used); err != nil {
		return err
	}
	s.announced.services[key] = slices.Sorted(maps.Keys(used))
	return s.announce(used)
}

// forget withdraws what a Service had and has no more, but leaves what an Eip's status says is used: OpenELB withdraws
// by that status alone, which its manager changes when a Service goes, and there need not be a manager here.
func (s *speaker) forget(key string, used usage) error {
	for _, ip := range s.announced.services[key] {
		if _, still := used[ip]; still || s.isUsed(ip) {
			continue
		}
		if err := s.router.withdraw(ip); err != nil {
			return err
		}
	}
	delete(s.announced.services, key)
	return nil
}

func (s *speaker) isUsed(ip string) bool {
	for _, each := range s.announced.eips {
		if _, found := each.Status.Used[ip]; found {
			return true
		}
	}
	return false
}

// reconcileEip follows what an Eip's status says is used.
func (s *speaker) reconcileEip(_ context.Context, name string) error {
	obj := get[*custom](s.objects.eips, name)
	if obj == nil {
		return nil
	}
	after, err := as[eip](obj)
	if err != nil {
		return err
	}
	s.announced.lock.Lock()
	defer s.announced.lock.Unlock()
	before := s.announced.eips[name]
	switch {
	case before == nil:
		log.Printf("Eip %s: new, %d used", name, len(after.Status.Used))
		err = s.replace(nil, after)
	case obj.GetDeletionTimestamp() != nil:
		log.Printf("Eip %s: deleted", name)
		if err = s.replace(before, nil); err == nil {
			delete(s.announced.eips, name)
		}
		return err
	case before.protocol() != after.protocol():
		log.Printf("Eip %s: from %s to %s", name, before.protocol(), after.protocol())
		if err = s.replace(before, nil); err != nil {
			return err
		}
		delete(s.announced.eips, name)
		err = s.replace(nil, after)
	case !reflect.DeepEqual(before.Status.Used, after.Status.Used):
		log.Printf("Eip %s: %d used, before %d", name, len(after.Status.Used), len(before.Status.Used))
		err = s.replace(before, after)
	default:
		return nil
	}
	if err == nil {
		s.announced.eips[name] = after
	}
	return err
}

// replace withdraws what an Eip used only before, or for others, and announces what it uses only now.
func (s *speaker) replace(before, after *eip) error {
	older, newer := usage{}, usage{}
	if before != nil && before.protocol() == bgp {
		older = before.Status.Used
	}
	if after != nil && after.protocol() == bgp {
		newer = after.Status.Used
	}
	for _, ip := range slices.Sorted(maps.Keys(older)) {
		if services, found := newer[ip]; !found || services != older[ip] {
			if err := s.router.withdraw(ip); err != nil {
				return err
			}
		}
	}
	added := usage{}
	for ip, services := range newer {
		if had, found := older[ip]; !found || services != had {
			added[ip] = services
		}
	}
	return s.announce(added)
}

// announce sets the paths of addresses. As in OpenELB, one without any node is withdrawn, and the rest is not seen to.
func (s *speaker) announce(used usage) error {
	for _, ip := range slices.Sorted(maps.Keys(used)) {
		nodes, err := s.nodesOf(used[ip])
		if err != nil {
			return err
		}
		if len(nodes) == 0 {
			log.Printf("no node for %s of %s", ip, used[ip])
			return s.router.withdraw(ip)
		}
		hops, err := hopsOver(nodes, s.router.getRack())
		if err != nil {
			return err
		}
		if err := s.router.setPaths(ip, hops); err != nil {
			return fmt.Errorf("paths of %s: %w", ip, err)
		}
	}
	return nil
}
