// What Go kit's breaker costs while it is closed: its middleware around
// github.com/sony/gobreaker, which is this and no more. `main time` says the
// nanoseconds of a call by itself, `main two` how many million calls a second two
// threads make on one breaker.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"time"

	"github.com/sony/gobreaker"
)

type endpoint func(ctx context.Context, request any) (any, error)

func breaker(cb *gobreaker.CircuitBreaker, next endpoint) endpoint {
	return func(ctx context.Context, request any) (any, error) {
		return cb.Execute(func() (any, error) { return next(ctx, request) })
	}
}

func atOnce(_ context.Context, request any) (any, error) { return request, nil }

func main() {
	runtime.GOMAXPROCS(2)
	one := breaker(gobreaker.NewCircuitBreaker(gobreaker.Settings{}), atOnce)
	ctx := context.Background()
	const batch = 10000
	if len(os.Args) > 1 && os.Args[1] == "two" {
		var wait sync.WaitGroup
		counts := make([]int, 2)
		for thread := range counts {
			wait.Add(1)
			go func() {
				defer wait.Done()
				runtime.LockOSThread()
				for begun := time.Now(); time.Since(begun) < time.Second; counts[thread] += batch {
					for range batch {
						_, _ = one(ctx, thread)
					}
				}
			}()
		}
		wait.Wait()
		fmt.Println(float64(counts[0]+counts[1]) / 1e6)
		return
	}
	var rounds []float64
	for range 501 {
		begun := time.Now()
		for range batch {
			_, _ = one(ctx, 1)
		}
		rounds = append(rounds, float64(time.Since(begun).Nanoseconds())/batch)
	}
	sort.Float64s(rounds)
	fmt.Println(rounds[250])
}
