package main

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/idstatus/idstatus/examples/go/gen/idstatus/v1"
)

// watch follows tasks over as many streams as it takes: nothing is lost, and nothing comes twice.
type watch struct {
	tasks  pb.TaskServiceClient
	filter *pb.TaskFilter
	token  string // resumes after the last message that was handed on
	events chan event
}

// event is a message, or that a stream has broken.
type event struct {
	message *pb.WatchTasksResponse
	broken  bool
}

// follow returns when ctx is done, or with an error that does not pass.
func (w *watch) follow(ctx context.Context) error {
	for {
		err := w.stream(ctx)
		if code := status.Code(err); code != codes.Unavailable && code != codes.ResourceExhausted {
			return err
		}
		if err := w.handOn(ctx, event{broken: true}); err != nil {
			return err
		}
		time.Sleep(100*time.Millisecond + rand.N(100*time.Millisecond))
	}
}

// stream hands on what one stream brings until it ends, and returns why.
func (w *watch) stream(ctx context.Context) error {
	request := &pb.WatchTasksRequest{Filter: w.filter, ResumeToken: w.token}
	stream, err := w.tasks.WatchTasks(ctx, request)
	if err != nil {
		return err
	}
	var held []*pb.TaskChange
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		// Of the messages about what was committed together, only the last moves the token.
		held = append(held, message.Changes...)
		if message.ResumeToken == w.token {
			continue
		}
		message.Changes, held = held, nil
		if err := w.handOn(ctx, event{message: message}); err != nil {
			return err
		}
		w.token = message.ResumeToken
	}
}

func (w *watch) handOn(ctx context.Context, e event) error {
	select {
	case w.events <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
