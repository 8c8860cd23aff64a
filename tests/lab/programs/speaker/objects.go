package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const finalizer = "finalizer.lb.kubesphere.io/v1alpha1"

// custom is an object of one of OpenELB's kinds.
type custom = unstructured.Unstructured

var group = schema.GroupVersion{Group: "network.kubesphere.io", Version: "v1alpha2"}

// objects are the caches of what the API server has; all that is read is read there, and may lag.
type objects struct {
	client                                         dynamic.Interface
	peers, confs, eips, nodes, services, endpoints cache.SharedIndexInformer
}

func newObjects(config *rest.Config) (*objects, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.UserAgent = "openelb-speaker/v0.6"
	// Endpoints are deprecated, and OpenELB reads them.
	config.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	// Its own scheme, because that of client-go has everything that Kubernetes has.
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.APIPath = "/api"
	config.ContentType = runtime.ContentTypeProtobuf
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	core, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, err
	}
	builtin := func(resource string, kind runtime.Object) cache.SharedIndexInformer {
		return informer(cache.NewListWatchFromClient(core, resource, metav1.NamespaceAll, fields.Everything()), kind, slim)
	}
	openelb := func(resource string) cache.SharedIndexInformer {
		return informer(listWatch(client, resource), &custom{}, nil)
	}
	return &objects{
		client:    client,
		peers:     openelb("bgppeers"),
		confs:     openelb("bgpconfs"),
		eips:      openelb("eips"),
		nodes:     builtin("nodes", &corev1.Node{}),
		services:  builtin("services", &corev1.Service{}),
		endpoints: builtin("endpoints", &corev1.Endpoints{}),
	}, nil
}

func informer(from cache.ListerWatcher, kind runtime.Object, transform cache.TransformFunc) cache.SharedIndexInformer {
	made := cache.NewSharedIndexInformer(from, kind, 0, cache.Indexers{})
	// It refuses only once it has been started.
	_ = made.SetTransform(transform)
	return made
}

func listWatch(client dynamic.Interface, resource string) cache.ListerWatcher {
	of := client.Resource(group.WithResource(resource))
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return of.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return of.Watch(ctx, options)
		},
	}
}

// slim leaves out what nobody reads; these kinds are never written.
func slim(obj any) (any, error) {
	switch each := obj.(type) {
	case *corev1.Node:
		each.ManagedFields, each.Annotations = nil, nil
		each.Spec = corev1.NodeSpec{}
		each.Status = corev1.NodeStatus{Addresses: each.Status.Addresses}
	case *corev1.Service:
		each.ManagedFields = nil
	case *corev1.Endpoints:
		each.ManagedFields = nil
	}
	return obj, nil
}

// start fills the caches. That of Eips is not waited for: a cluster without that kind has no routes, that is all.
func (o *objects) start(ctx context.Context) bool {
	needed := []cache.SharedIndexInformer{o.peers, o.confs, o.nodes, o.services, o.endpoints}
	for _, each := range append(slices.Clone(needed), o.eips) {
		go each.Run(ctx.Done())
	}
	for {
		if !slices.ContainsFunc(needed, func(each cache.SharedIndexInformer) bool { return !each.HasSynced() }) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (o *objects) update(ctx context.Context, resource string, obj *custom) (*custom, error) {
	return o.client.Resource(group.WithResource(resource)).Update(ctx, obj, metav1.UpdateOptions{})
}

func (o *objects) updateStatus(ctx context.Context, resource string, obj *custom) error {
	_, err := o.client.Resource(group.WithResource(resource)).UpdateStatus(ctx, obj, metav1.UpdateOptions{})
	return err
}

// get returns an object of a cache; without one it is nil.
func get[T any](from cache.SharedIndexInformer, key string) T {
	var none T
	if obj, found, _ := from.GetStore().GetByKey(key); found {
		return obj.(T)
	}
	return none
}

func list[T any](from cache.SharedIndexInformer) []T {
	all := from.GetStore().List()
	found := make([]T, len(all))
	for i, each := range all {
		found[i] = each.(T)
	}
	return found
}

func (o *objects) getNode(name string) (*corev1.Node, error) {
	if node := get[*corev1.Node](o.nodes, name); node != nil {
		return node, nil
	}
	return nil, fmt.Errorf("node %s is not known", name)
}

// internalIP is empty for a node without one.
func internalIP(node *corev1.Node) string {
	for _, each := range node.Status.Addresses {
		if each.Type == corev1.NodeInternalIP {
			return each.Address
		}
	}
	return ""
}

// as reads an object of OpenELB's into the fields of a struct of ours.
func as[T any](obj *custom) (*T, error) {
	var made T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &made); err != nil {
		return nil, fmt.Errorf("%s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return &made, nil
}

// on calls with a new object, and with one whose spec or deletion has changed; a change of its status is none.
func on(informer cache.SharedIndexInformer, relevant func(*custom) bool, call func(any)) {
	// It refuses only once it has been stopped.
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if relevant(obj.(*custom)) {
				call(obj)
			}
		},
		UpdateFunc: func(before, after any) {
			older, newer := before.(*custom), after.(*custom)
			if relevant(newer) && (differ(older, newer, "spec") || differ(older, newer, "metadata", "deletionTimestamp")) {
				call(newer)
			}
		},
	})
}
