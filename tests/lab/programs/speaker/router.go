package main

import (
	"context"
	"errors"
	"hash/fnv"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	apipb "github.com/osrg/gobgp/v3/api"
	gobgplog "github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

const patience = 2 * time.Second

var errStopped = errors.New("BGP is not started")

// router is GoBGP, and what OpenELB remembers besides it.
type router struct {
	gobgp *server.BgpServer
	lock  sync.Mutex
	rack  string
}

func newRouter(address string) *router {
	logger := gobgplog.NewDefaultLogger()
	logger.SetLevel(gobgplog.WarnLevel)
	made := &router{gobgp: server.NewBgpServer(server.GrpcListenAddress(address), server.LoggerOption(logger))}
	go made.gobgp.Serve()
	return made
}

// close ends the sessions as a speaker does that is told to end.
func (r *router) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.stop()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		log.Print("GoBGP does not stop; so be it")
	}
}

func (r *router) stop() {
	if err := r.gobgp.StopBgp(context.Background(), &apipb.StopBgpRequest{}); err != nil {
		log.Printf("StopBgp: %v", err)
	}
}

// restart drops every session and every path.
func (r *router) restart(global *apipb.Global) error {
	r.stop()
	return r.gobgp.StartBgp(context.Background(), &apipb.StartBgpRequest{Global: global})
}

func (r *router) setRack(rack string) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.rack = rack
}

func (r *router) getRack() string {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.rack
}

// global is what GoBGP was started with; without that its AS is 0.
func (r *router) global() *apipb.Global {
	answer, err := r.gobgp.GetBgp(context.Background(), &apipb.GetBgpRequest{})
	if err != nil {
		return &apipb.Global{}
	}
	return answer.Global
}

// setPeer changes the peer of this address, or adds it where that fails.
func (r *router) setPeer(peer *apipb.Peer) error {
	ctx := context.Background()
	if _, err := r.gobgp.UpdatePeer(ctx, &apipb.UpdatePeerRequest{Peer: peer}); err == nil {
		log.Printf("peer %s updated", peer.Conf.NeighborAddress)
		return nil
	}
	if err := r.gobgp.AddPeer(ctx, &apipb.AddPeerRequest{Peer: peer}); err != nil {
		return err
	}
	log.Printf("peer %s added", peer.Conf.NeighborAddress)
	return nil
}

func (r *router) deletePeer(address string) {
	if err := r.gobgp.DeletePeer(context.Background(), &apipb.DeletePeerRequest{Address: address}); err == nil {
		log.Printf("peer %s deleted", address)
	}
}

func (r *router) peers() []*apipb.Peer {
	var found []*apipb.Peer
	collect := func(peer *apipb.Peer) { found = append(found, peer) }
	if err := r.gobgp.ListPeer(context.Background(), &apipb.ListPeerRequest{}, collect); err != nil {
		log.Printf("ListPeer: %v", err)
	}
	return found
}

func familyOf(ip net.IP) *apipb.Family {
	afi := apipb.Family_AFI_IP
	if ip.To4() == nil {
		afi = apipb.Family_AFI_IP6
	}
	return &apipb.Family{Afi: afi, Safi: apipb.Family_SAFI_UNICAST}
}

// pathOf is the path to an address over a next hop. OpenELB has one length for all addresses.
func pathOf(ip, hop string) (*apipb.Path, error) {
	prefix, err := anypb.New(&apipb.IPAddressPrefix{Prefix: ip, PrefixLen: 32})
	if err != nil {
		return nil, err
	}
	made := &apipb.Path{Family: familyOf(net.ParseIP(ip)), Nlri: prefix}
	for _, each := range []proto.Message{&apipb.OriginAttribute{Origin: 0}, &apipb.NextHopAttribute{NextHop: hop}} {
		attribute, err := anypb.New(each)
		if err != nil {
			return nil, err
		}
		made.Pattrs = append(made.Pattrs, attribute)
	}
	// What GoBGP tells a prefix's paths of its own apart by.
	hash := fnv.New32a()
	hash.Write([]byte(hop))
	made.Identifier = hash.Sum32()
	return made, nil
}

func hopOf(path *apipb.Path) string {
	for _, each := range path.Pattrs {
		var hop apipb.NextHopAttribute
		if each.MessageIs(&hop) && each.UnmarshalTo(&hop) == nil {
			return hop.NextHop
		}
	}
	return ""
}

// paths are those that GoBGP has to an address, those of its peers included.
func (r *router) paths(ip string) ([]*apipb.Path, error) {
	request := &apipb.ListPathRequest{
		TableType: apipb.TableType_GLOBAL,
		Family:    familyOf(net.ParseIP(ip)),
		Prefixes:  []*apipb.TableLookupPrefix{{Prefix: ip + "/32"}},
	}
	var found []*apipb.Path
	collect := func(destination *apipb.Destination) { found = append(found, destination.Paths...) }
	err := r.gobgp.ListPath(context.Background(), request, collect)
	return found, err
}

// setPaths sees to it that there is a path over each of these next hops and over no other.
func (r *router) setPaths(ip string, hops []string) error {
	if r.global().Asn == 0 {
		return errStopped
	}
	before, err := r.paths(ip)
	if err != nil {
		return err
	}
	var had []string
	for _, each := range before {
		had = append(had, hopOf(each))
	}
	hops, had = distinct(hops), distinct(had)
	added, removed := 0, 0
	for _, hop := range hops {
		if slices.Contains(had, hop) {
			continue
		}
		path, err := pathOf(ip, hop)
		if err != nil {
			return err
		}
		if _, err := r.gobgp.AddPath(context.Background(), &apipb.AddPathRequest{Path: path}); err != nil {
			return err
		}
		added++
	}
	for _, hop := range had {
		if slices.Contains(hops, hop) {
			continue
		}
		path, err := pathOf(ip, hop)
		if err != nil {
			return err
		}
		if err := r.gobgp.DeletePath(context.Background(), &apipb.DeletePathRequest{Path: path}); err != nil {
			return err
		}
		removed++
	}
	log.Printf("paths of %s: %d, of which %d added; %d removed", ip, len(hops), added, removed)
	return nil
}

// withdraw takes all paths to an address back; while BGP is not started there are none.
func (r *router) withdraw(ip string) error {
	if r.global().Asn == 0 {
		return nil
	}
	found, err := r.paths(ip)
	if err != nil {
		return err
	}
	for _, each := range found {
		if err := r.gobgp.DeletePath(context.Background(), &apipb.DeletePathRequest{Path: each}); err != nil {
			return err
		}
	}
	log.Printf("paths of %s: withdrawn, %d", ip, len(found))
	return nil
}

func distinct(texts []string) []string {
	sorted := slices.Clone(texts)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
