package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/idstatus/idstatus/examples/go/gen/idstatus/v1"
)

// scenario ends the program as soon as something is not as it should be.
type scenario struct {
	tasks   pb.TaskServiceClient
	queue   string
	events  <-chan event     // of the watch
	ids     []string         // of the tasks it created
	changes []*pb.TaskChange // that the watch brought
}

func play(ctx context.Context, conn grpc.ClientConnInterface) {
	tasks := pb.NewTaskServiceClient(conn)
	queue := "scenario-" + strings.ToLower(rand.Text())
	watch := &watch{tasks: tasks, filter: &pb.TaskFilter{Queues: []string{queue}}, events: make(chan event)}
	go func() {
		if err := watch.follow(ctx); ctx.Err() == nil {
			log.Fatal(err)
		}
	}()

	s := &scenario{tasks: tasks, queue: queue, events: watch.events}
	s.watchUntil(func(e event) bool { return e.message.GetSnapshotComplete() })
	if len(s.changes) > 0 {
		log.Fatalf("a new queue has tasks: %v", s.changes)
	}
	fmt.Println("watch: open, nothing there yet")

	request := s.newTask("hello")
	task := s.create(ctx, request)
	again := must(tasks.CreateTask(ctx, request)).Task
	if !proto.Equal(task, again) {
		log.Fatalf("a repeat was answered %v, not %v", again, task)
	}
	say("create", "one task, QUEUED", "one task", name(task.Status))

	run := runner{must(pb.NewRunnerServiceClient(conn).Run(ctx))}
	run.subscribe(queue)
	s.succeed(ctx, run)
	s.cancel(ctx, run)
	s.refuse(ctx)
	run.end()
	s.restart(ctx)
	s.review()
}

func (s *scenario) succeed(ctx context.Context, run runner) {
	claim := run.claim()
	say("claim", "hello", string(claim.Task.Payload))
	say("extend", "EXTENDED", name(run.extend(claim, 0.5, "half way").State))
	finished := run.finish(&pb.Report{
		Id:         claim.Task.Id,
		LeaseToken: claim.LeaseToken,
		Outcome:    &pb.Report_Success{Success: &pb.Success{Result: []byte("HELLO")}},
	})
	say("finish", "SUCCESS", name(finished.Status))
	task := must(s.tasks.GetTask(ctx, &pb.GetTaskRequest{Id: claim.Task.Id})).Task
	say("get", "SUCCESS, ENDED, HELLO", name(task.Status), name(task.Execution), string(task.Result))
}

func (s *scenario) cancel(ctx context.Context, run runner) {
	task := s.create(ctx, s.newTask("forever"))
	claim := run.claim()
	say("claim", "forever", string(claim.Task.Payload))
	cancelled := must(s.tasks.CancelTask(ctx, &pb.CancelTaskRequest{
		Id: task.Id, Message: "not today", RequestId: rand.Text(),
	})).IdStatus
	say("cancel", "CANCELLED, CLIENT_REQUEST, MAY_BE_RUNNING",
		name(cancelled.Status), name(cancelled.Reason), name(cancelled.Execution))
	notice := run.notice()
	say("notice", "CANCELLED, not today", name(notice.IdStatus.Status), notice.Message)
	stopped := run.finish(&pb.Report{
		Id:         claim.Task.Id,
		LeaseToken: claim.LeaseToken,
		Outcome:    &pb.Report_Stopped{Stopped: &pb.Stopped{}},
	})
	say("stopped", "CANCELLED, ENDED", name(stopped.Status), name(stopped.Execution))
}

func (s *scenario) refuse(ctx context.Context) {
	_, err := s.tasks.CancelTask(ctx, &pb.CancelTaskRequest{Id: s.ids[0], RequestId: rand.Text()})
	refusal := status.Convert(err)
	for _, detail := range refusal.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			say("refused", "FAILED_PRECONDITION, TASK_FINISHED, idstatus",
				code.Code(refusal.Code()).String(), info.Reason, info.Domain)
			return
		}
	}
	log.Fatalf("the cancellation of a finished task was answered %v", err)
}

func (s *scenario) restart(ctx context.Context) {
	s.watchUntil(brings(s.ids[1], pb.Status_STATUS_CANCELLED))
	fmt.Println("restart the server")
	s.watchUntil(func(e event) bool { return e.broken })
	task := s.create(ctx, s.newTask("later"))
	fmt.Println("create: after the restart")
	s.watchUntil(brings(task.Id, pb.Status_STATUS_QUEUED))
	fmt.Println("resumed: without another snapshot")
}

// review looks at what the watch brought, over all its streams.
func (s *scenario) review() {
	var transitions []string
	var revision int64
	for _, change := range s.changes {
		now := change.IdStatus
		if change.Type == pb.TaskChange_TYPE_TRANSITION {
			number := slices.Index(s.ids, now.Id) + 1
			transitions = append(transitions, fmt.Sprint(number, " ", name(now.Status)))
		}
		if change.Type == pb.TaskChange_TYPE_SNAPSHOT || now.Revision <= revision {
			log.Fatalf("after revision %d the watch brought %v", revision, change)
		}
		revision = now.Revision
	}
	say("saw", "1 QUEUED, 1 RUNNING, 1 SUCCESS, 2 QUEUED, 2 RUNNING, 2 CANCELLED, 3 QUEUED", transitions...)
	fmt.Println("order: kept")
}

// newTask returns a request that may be repeated: its id makes a repeat return the first answer.
func (s *scenario) newTask(payload string) *pb.CreateTaskRequest {
	return &pb.CreateTaskRequest{Queue: s.queue, Payload: []byte(payload), RequestId: rand.Text()}
}

func (s *scenario) create(ctx context.Context, request *pb.CreateTaskRequest) *pb.Task {
	task := must(s.tasks.CreateTask(ctx, request)).Task
	s.ids = append(s.ids, task.Id)
	return task
}

// watchUntil keeps what the watch brings, up to the event that is waited for.
func (s *scenario) watchUntil(awaited func(event) bool) {
	for e := range s.events {
		s.changes = append(s.changes, e.message.GetChanges()...)
		if awaited(e) {
			return
		}
	}
}

func brings(id string, status pb.Status) func(event) bool {
	return func(e event) bool {
		return slices.ContainsFunc(e.message.GetChanges(), func(change *pb.TaskChange) bool {
			return change.IdStatus.Id == id && change.IdStatus.Status == status
		})
	}
}

// say prints a line if what came is what is expected.
func say(about, expected string, came ...string) {
	if came := strings.Join(came, ", "); came != expected {
		log.Fatalf("%s: expected %q, but %q came", about, expected, came)
	}
	fmt.Printf("%s: %s\n", about, expected)
}

// name returns the name of an enum's value without its prefix.
func name(value fmt.Stringer) string {
	_, name, _ := strings.Cut(value.String(), "_")
	return name
}
