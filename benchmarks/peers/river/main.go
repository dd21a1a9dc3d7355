// Command river takes jobs through River on PostgreSQL: river URL TASKS unary|batch.
// It prints one line of JSON. The settings of the client are those of `river bench`, River's own.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sync/errgroup"
)

const (
	batch   = 1000
	callers = 10 // who insert at the same time, one job a call
	warmUp  = 100
)

type client = river.Client[pgx.Tx]

type inserter func(ctx context.Context, c *client, jobs int)

type nothing struct {
	Payload string `json:"payload"`
}

func (nothing) Kind() string { return "nothing" }

var payload = nothing{strings.Repeat("x", 100)}

func main() {
	tasks, err := strconv.Atoi(os.Args[2])
	check(err)
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Args[1])
	check(err)
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)

	client := start(ctx, pool)
	done, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: tasks + warmUp, // what does not fit is dropped
		Kinds:    []river.EventKind{river.EventKindJobCompleted},
	})
	defer cancel()
	insert := insertMany
	if os.Args[3] == "unary" {
		insert = insertEach
	}
	live(ctx, client, insert, done, warmUp)
	took := live(ctx, client, insert, done, tasks)

	var completed int
	count := "SELECT count(*) FROM river_job WHERE state = 'completed'"
	check(pool.QueryRow(ctx, count).Scan(&completed))
	check(client.Stop(ctx))
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"seconds": took.Seconds(), "completed": completed - warmUp, "go": runtime.Version(),
	}))
}

func start(ctx context.Context, pool *pgxpool.Pool) *client {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[nothing]) error {
		return nil
	}))
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     2 * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2000}},
		Workers:           workers,
	})
	check(err)
	check(client.Start(ctx))
	return client
}

// live inserts jobs and returns how long it took until the last is known to be completed.
func live(ctx context.Context, c *client, insert inserter, done <-chan *river.Event, jobs int) time.Duration {
	began := time.Now()
	insert(ctx, c, jobs)
	for range jobs {
		<-done
	}
	return time.Since(began)
}

func insertMany(ctx context.Context, c *client, jobs int) {
	for first := 0; first < jobs; first += batch {
		many := make([]river.InsertManyParams, min(batch, jobs-first))
		for i := range many {
			many[i].Args = payload
		}
		_, err := c.InsertManyFast(ctx, many)
		check(err)
	}
}

func insertEach(ctx context.Context, c *client, jobs int) {
	var group errgroup.Group
	group.SetLimit(callers)
	for range jobs {
		group.Go(func() error {
			_, err := c.Insert(ctx, payload, nil)
			return err
		})
	}
	check(group.Wait())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
