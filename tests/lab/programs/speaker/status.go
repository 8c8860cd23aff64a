package main

import (
	"context"
	"log"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// writeStatus writes what sessions there are, at intervals; what could not be written is left to the next time.
func (s *speaker) writeStatus(ctx context.Context) {
	ticker := time.NewTicker(s.period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.writePeers(ctx)
			s.writeConf(ctx)
		}
	}
}

func copyStatus(obj *custom) object {
	status, _ := inside(obj.Object, "status").(object)
	if status == nil {
		return object{}
	}
	return runtime.DeepCopyJSON(status)
}

// entries are those of a status by node.
func entries(status object, name string) object {
	found, _ := status[name].(object)
	if found == nil {
		found = object{}
		status[name] = found
	}
	return found
}

func (s *speaker) writePeers(ctx context.Context) {
	peers := list[*custom](s.objects.peers)
	// BgpPeers of one address all get the whole status of the one that OpenELB meets first.
	first := map[string]*custom{}
	for _, peer := range peers {
		if address := addressOf(peer); first[address] == nil {
			first[address] = peer
		}
	}
	seen := map[string]object{}
	for _, each := range s.router.peers() {
		address := each.State.GetNeighborAddress()
		if first[address] == nil {
			log.Printf("peer %s is nobody's", address)
			s.router.deletePeer(each.Conf.GetNeighborAddress())
			continue
		}
		entry, err := statusOf(each)
		if err != nil {
			log.Printf("the state of peer %s: %v", address, err)
			continue
		}
		status := copyStatus(first[address])
		entries(status, "nodesPeerStatus")[s.node] = entry
		seen[address] = status
	}
	for _, peer := range peers {
		status := seen[addressOf(peer)]
		if status == nil {
			status = copyStatus(peer)
			if found, _ := status["nodesPeerStatus"].(object); found != nil {
				delete(found, s.node)
				if len(found) == 0 {
					delete(status, "nodesPeerStatus")
				}
			}
		}
		s.write(ctx, "bgppeers", peer, status)
	}
}

func (s *speaker) writeConf(ctx context.Context) {
	conf := get[*custom](s.objects.confs, confName)
	if conf == nil {
		return
	}
	entry := object{}
	if global := s.router.global(); global.Asn != 0 {
		entry = object{"as": int64(global.Asn), "routerId": global.RouterId}
	}
	status := copyStatus(conf)
	entries(status, "nodesConfStatus")[s.node] = entry
	s.write(ctx, "bgpconfs", conf, status)
}

// alike is whether this node's entry has changed in nothing but how many keepalives there were.
func (s *speaker) alike(status, before object) bool {
	for _, each := range []*object{&status, &before} {
		*each = runtime.DeepCopyJSON(*each)
		for _, way := range []string{"sent", "received"} {
			for _, count := range []string{"keepalive", "total"} {
				unstructured.RemoveNestedField(*each, "nodesPeerStatus", s.node, "peerState", "messages", way, count)
			}
		}
	}
	return reflect.DeepEqual(status, before)
}

// write replaces the status of the object as it was cached; somebody else's change since then is a conflict.
func (s *speaker) write(ctx context.Context, resource string, obj *custom, status object) {
	if before := copyStatus(obj); reflect.DeepEqual(status, before) || !s.keepalives && s.alike(status, before) {
		return
	}
	changed := obj.DeepCopy()
	changed.Object["status"] = runtime.DeepCopyJSON(status)
	if err := s.objects.updateStatus(ctx, resource, changed); err != nil {
		log.Printf("status of %s %s lost: %v", resource, obj.GetName(), err)
		return
	}
	log.Printf("status of %s %s written", resource, obj.GetName())
}
