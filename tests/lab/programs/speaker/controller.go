package main

import (
	"context"
	"log"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// controller reconciles objects of one kind, one after the other; what fails comes again, later each time.
type controller struct {
	kind      string
	queue     workqueue.TypedRateLimitingInterface[string]
	reconcile func(context.Context, string) error
}

func newController(kind string, reconcile func(context.Context, string) error) *controller {
	// These limits are also those of controller-runtime: 5 ms, doubling, and 10 a second in all.
	limits := workqueue.DefaultTypedControllerRateLimiter[string]()
	return &controller{kind, workqueue.NewTypedRateLimitingQueue(limits), reconcile}
}

// add puts an object into the queue; one that has just been deleted comes as a tombstone.
func (c *controller) add(obj any) {
	if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
		c.queue.Add(key)
	}
}

func (c *controller) run(ctx context.Context) {
	go func() {
		<-ctx.Done()
		c.queue.ShutDown()
	}()
	for {
		key, ended := c.queue.Get()
		if ended {
			return
		}
		if err := c.reconcile(ctx, key); err != nil {
			log.Printf("%s %s again: %v", c.kind, key, err)
			c.queue.AddRateLimited(key)
		} else {
			c.queue.Forget(key)
		}
		c.queue.Done(key)
	}
}
