// Command scenario plays ../scenario.md against an idstatus server.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// While the server is away, unary calls wait for it, and are repeated after UNAVAILABLE. That is safe, for every
// write carries a request id. A stream that has begun is not resumed by this: see watch.go.
const serviceConfig = `{"methodConfig": [{
	"name": [{"service": "idstatus.v1.TaskService"}],
	"waitForReady": true,
	"retryPolicy": {
		"maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2,
		"retryableStatusCodes": ["UNAVAILABLE"]
	}
}]}`

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: scenario ADDRESS")
	}
	time.AfterFunc(2*time.Minute, func() { log.Fatal("gave up after 2 minutes") })
	conn := must(grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig)))
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	play(ctx, conn)
}

// must returns the value, or ends the program with the error.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
