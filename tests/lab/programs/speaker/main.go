// The speaker program stands in for OpenELB's speaker (openelb-speaker v0.6) in the laboratory: it watches BgpPeers,
// BgpConf, Eips, Services, Endpoints and Nodes as one node's speaker does, and speaks BGP by an embedded GoBGP.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// speaker is one node's speaker.
type speaker struct {
	node       string
	finalizers bool
	keepalives bool
	period     time.Duration
	objects    *objects
	router     *router
	announced  *announced
}

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	kubeconfig := flag.String("kubeconfig", "", "the `file` that says where the API server is")
	node := flag.String("node", "", "the `name` of the node whose speaker this is")
	period := flag.Duration("status-period", 30*time.Second, "how often the status of the sessions is written")
	api := flag.String("grpc", "127.0.0.1:50051", "where GoBGP's own `address` for its command line is")
	finalizers := flag.Bool("finalizers", true, "put OpenELB's finalizer on BgpPeers and BgpConf, and take it off")
	keepalives := flag.Bool("keepalives", true, "write a status also where only the keepalives were counted on")
	flag.Parse()
	if *kubeconfig == "" || *node == "" || flag.NArg() > 0 || *period <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	// Many of these share a small machine.
	debug.SetGCPercent(50)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	found, err := newObjects(config)
	if err != nil {
		log.Fatal(err)
	}
	one := &speaker{
		node:       *node,
		finalizers: *finalizers,
		keepalives: *keepalives,
		period:     *period,
		objects:    found,
		router:     newRouter(*api),
		announced:  newAnnounced(),
	}
	log.Printf("speaker of node %s, process %d", *node, os.Getpid())
	one.run(ctx)
	one.router.close()
	log.Print("ended")
}

// run works until it is told to end, and then does not wait for what is under way: the API server may be away.
func (s *speaker) run(ctx context.Context) {
	peers := newController("BgpPeer", s.reconcilePeer)
	confs := newController("BgpConf", s.reconcileConf)
	services := newController("Service", s.reconcileService)
	eips := newController("Eip", s.reconcileEip)
	s.watchPeers(peers)
	s.watchConfs(confs)
	s.watchServices(services)
	s.watchEips(eips)
	if !s.objects.start(ctx) {
		return
	}
	log.Print("caches are filled")
	for _, each := range []*controller{peers, confs, services, eips} {
		go each.run(ctx)
	}
	go s.writeStatus(ctx)
	<-ctx.Done()
}
