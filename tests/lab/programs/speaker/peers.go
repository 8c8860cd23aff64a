package main

import (
	"context"
	"fmt"
	"log"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

type selecting struct {
	Spec struct {
		NodeSelector *metav1.LabelSelector `json:"nodeSelector"`
	} `json:"spec"`
}

func (s *speaker) watchPeers(queue *controller) {
	on(s.objects.peers, func(*custom) bool { return true }, queue.add)
}

// matches says whether a BgpPeer is for a node, by the labels that it has now.
func matches(peer *custom, node *corev1.Node) (bool, error) {
	read, err := as[selecting](peer)
	if err != nil || read.Spec.NodeSelector == nil {
		return err == nil, err
	}
	selector, err := metav1.LabelSelectorAsSelector(read.Spec.NodeSelector)
	if err != nil {
		return false, fmt.Errorf("nodeSelector: %w", err)
	}
	return selector.Matches(labels.Set(node.Labels)), nil
}

func (s *speaker) reconcilePeer(ctx context.Context, name string) error {
	peer := get[*custom](s.objects.peers, name)
	if peer == nil {
		// Its session stays until the status is written next.
		return nil
	}
	matched := true
	if inside(peer.Object, "spec", "nodeSelector") != nil {
		node, err := s.objects.getNode(s.node)
		if err != nil {
			return err
		}
		if matched, err = matches(peer, node); err != nil {
			return err
		}
	}
	if s.leaves(peer) {
		s.router.deletePeer(addressOf(peer))
		return s.removeFinalizer(ctx, "bgppeers", peer)
	}
	peer, err := s.withFinalizer(ctx, "bgppeers", peer)
	if err != nil {
		return err
	}
	wanted, err := peerOf(peer)
	if err != nil {
		return err
	}
	log.Printf("BgpPeer %s of %s: matches %t", name, addressOf(peer), matched)
	if !matched {
		s.router.deletePeer(addressOf(peer))
		return nil
	}
	return s.router.setPeer(wanted)
}

// handPeers gives GoBGP, which has just been started, the peers that are for this node.
func (s *speaker) handPeers() error {
	node, err := s.objects.getNode(s.node)
	if err != nil {
		return err
	}
	for _, peer := range list[*custom](s.objects.peers) {
		matched, err := matches(peer, node)
		if err != nil {
			return err
		}
		if !matched {
			continue
		}
		wanted, err := peerOf(peer)
		if err != nil {
			return err
		}
		if err := s.router.setPeer(wanted); err != nil {
			return err
		}
	}
	return nil
}

// leaves says whether an object is being deleted and waits for its finalizer.
func (s *speaker) leaves(obj *custom) bool {
	return s.finalizers && obj.GetDeletionTimestamp() != nil && slices.Contains(obj.GetFinalizers(), finalizer)
}

func (s *speaker) removeFinalizer(ctx context.Context, resource string, obj *custom) error {
	obj = obj.DeepCopy()
	is := func(each string) bool { return each == finalizer }
	obj.SetFinalizers(slices.DeleteFunc(obj.GetFinalizers(), is))
	_, err := s.objects.update(ctx, resource, obj)
	return err
}

// withFinalizer puts the finalizer on where it is missing, and returns the object as it is then.
func (s *speaker) withFinalizer(ctx context.Context, resource string, obj *custom) (*custom, error) {
	if !s.finalizers || obj.GetDeletionTimestamp() != nil || slices.Contains(obj.GetFinalizers(), finalizer) {
		return obj, nil
	}
	obj = obj.DeepCopy()
	obj.SetFinalizers(append(obj.GetFinalizers(), finalizer))
	return s.objects.update(ctx, resource, obj)
}
