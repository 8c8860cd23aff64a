package main

import (
	"context"
	"log"
	"time"
)

const (
	confName   = "default"
	rackLabel  = "openelb.kubesphere.io/rack"
	annotation = "lb.kubesphere.io/v1alpha1"
)

type racks struct {
	Spec struct {
		AsPerRack map[string]int64 `json:"asPerRack"`
	} `json:"spec"`
}

func (s *speaker) watchConfs(queue *controller) {
	on(s.objects.confs, func(obj *custom) bool { return obj.GetName() == confName }, queue.add)
}

// reconcileConf starts GoBGP afresh. Nothing brings the paths back before the next event of their own.
func (s *speaker) reconcileConf(ctx context.Context, name string) error {
	conf := get[*custom](s.objects.confs, name)
	if conf == nil {
		return nil
	}
	if s.leaves(conf) {
		s.router.setRack("")
		s.router.stop()
		log.Print("BgpConf is deleted: BGP stopped")
		return s.removeFinalizer(ctx, "bgpconfs", conf)
	}
	conf, err := s.withFinalizer(ctx, "bgpconfs", conf)
	if err != nil {
		return err
	}
	rack, err := s.startBgp(conf)
	if err != nil {
		return err
	}
	log.Printf("BgpConf applied: BGP started, rack %q", rack)
	conf = conf.DeepCopy()
	annotations := conf.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotation] = time.Now().String()
	conf.SetAnnotations(annotations)
	if _, err := s.objects.update(ctx, "bgpconfs", conf); err != nil {
		return err
	}
	return s.handPeers()
}

func (s *speaker) startBgp(conf *custom) (string, error) {
	node, err := s.objects.getNode(s.node)
	if err != nil {
		return "", err
	}
	read, err := as[racks](conf)
	if err != nil {
		return "", err
	}
	spec := specOf(conf)
	rack := ""
	if node.Labels[rackLabel] != "" && read.Spec.AsPerRack != nil {
		rack = node.Labels[rackLabel]
		if number := read.Spec.AsPerRack[rack]; number > 0 {
			spec["as"] = number
		}
		delete(spec, "routerId")
	}
	if id, _ := spec["routerId"].(string); id == "" {
		spec["routerId"] = internalIP(node)
	}
	s.router.setRack(rack)
	global, err := globalOf(spec)
	if err != nil {
		return "", err
	}
	return rack, s.router.restart(global)
}
