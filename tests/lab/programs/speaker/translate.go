package main

import (
	"encoding/json"
	"fmt"
	"net"
	"reflect"

	apipb "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

type object = map[string]any

// OpenELB's objects are GoBGP's messages in JSON; some fields of GoBGP 2 have got other names in GoBGP 3.
var (
	globalNames = map[string]string{"as": "asn"}
	confNames   = map[string]string{
		"peerAs":        "peerAsn",
		"localAs":       "localAsn",
		"allowOwnAs":    "allowOwnAsn",
		"replacePeerAs": "replacePeerAsn",
		"peerType":      "type",
	}
	stateNames = map[string]string{"peerAsn": "peerAs", "localAsn": "localAs"}
)

func rename(obj object, names map[string]string) {
	for from, to := range names {
		if value, found := obj[from]; found {
			delete(obj, from)
			obj[to] = value
		}
	}
}

// inside is what is at the path, or nil.
func inside(obj object, path ...string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(obj, path...)
	return value
}

func differ(one, other *custom, path ...string) bool {
	return !reflect.DeepEqual(inside(one.Object, path...), inside(other.Object, path...))
}

func specOf(obj *custom) object {
	spec, _ := inside(obj.Object, "spec").(object)
	if spec == nil {
		return object{}
	}
	return runtime.DeepCopyJSON(spec)
}

func addressOf(peer *custom) string {
	address, _ := inside(peer.Object, "spec", "conf", "neighborAddress").(string)
	return address
}

func message(from object, into proto.Message) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, into)
}

func fieldsOf(from proto.Message) (object, error) {
	text, err := protojson.Marshal(from)
	if err != nil {
		return nil, err
	}
	made := object{}
	return made, utiljson.Unmarshal(text, &made)
}

// globalOf is what GoBGP is started with by a BgpConf's spec.
func globalOf(spec object) (*apipb.Global, error) {
	rename(spec, globalNames)
	made := &apipb.Global{}
	return made, message(spec, made)
}

// peerOf is GoBGP's peer of a BgpPeer.
func peerOf(obj *custom) (*apipb.Peer, error) {
	spec := specOf(obj)
	conf, _ := spec["conf"].(object)
	rename(conf, confNames)
	delete(conf, "removePrivateAs")
	made := &apipb.Peer{}
	if err := message(spec, made); err != nil {
		return nil, err
	}
	ip := net.ParseIP(made.Conf.GetNeighborAddress())
	if ip == nil {
		return nil, fmt.Errorf("neighborAddress %q is no address", made.Conf.GetNeighborAddress())
	}
	if len(made.AfiSafis) == 0 {
		paths := &apipb.AddPaths{Config: &apipb.AddPathsConfig{SendMax: 10}}
		made.AfiSafis = []*apipb.AfiSafi{{AddPaths: paths}}
	}
	for _, each := range made.AfiSafis {
		if each.Config == nil {
			each.Config = &apipb.AfiSafiConfig{Family: familyOf(ip), Enabled: true}
		}
		// OpenELB has GoBGP 2, which takes any number to mean all paths; GoBGP 3 sends no more than that, at most 255.
		if paths := each.AddPaths.GetConfig(); paths.GetSendMax() > 0 {
			paths.SendMax = 255
		}
	}
	return made, nil
}

// statusOf is what a BgpPeer's status says of a node's session.
func statusOf(peer *apipb.Peer) (object, error) {
	state := proto.CloneOf(peer.State)
	kind := state.Type
	// OpenELB's status has no such fields, or has them as numbers.
	state.RemoteCap, state.LocalCap = nil, nil
	state.Type, state.RemovePrivate = 0, 0
	peerState, err := fieldsOf(state)
	if err != nil {
		return nil, err
	}
	rename(peerState, stateNames)
	if kind != 0 {
		peerState["peerType"] = int64(kind)
	}
	timersState := object{}
	if timers := peer.Timers.GetState(); timers != nil {
		if timersState, err = fieldsOf(timers); err != nil {
			return nil, err
		}
	}
	return object{"peerState": peerState, "timersState": timersState}, nil
}
