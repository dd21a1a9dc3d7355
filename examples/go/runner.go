package main

import (
	"errors"
	"io"
	"log"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/idstatus/idstatus/examples/go/gen/idstatus/v1"
)

// runner holds one task at a time and asks one thing at a time, so it knows what comes next. One that does more
// receives in a goroutine of its own, and finds the answers by their tags.
type runner struct{ stream pb.RunnerService_RunClient }

func (r runner) subscribe(queue string) {
	answer := r.ask(&pb.RunRequest{Request: &pb.RunRequest_Subscription{Subscription: &pb.Subscription{
		Queues: []string{queue}, Capacity: 1, LeaseDuration: durationpb.New(10 * time.Second),
	}}})
	if answer.GetSubscription() == nil {
		log.Fatalf("the subscription was answered %v", answer)
	}
}

func (r runner) claim() *pb.Claim {
	pushed := must(r.stream.Recv())
	return only(pushed, pushed.GetClaims().GetClaims())
}

func (r runner) notice() *pb.Notice {
	pushed := must(r.stream.Recv())
	if pushed.GetNotice() == nil {
		log.Fatalf("instead of a notice came %v", pushed)
	}
	return pushed.GetNotice()
}

func (r runner) extend(claim *pb.Claim, fraction float64, message string) *pb.LeaseResult {
	answer := r.ask(&pb.RunRequest{Request: &pb.RunRequest_Extend{Extend: &pb.ExtendLeasesRequest{
		Leases: []*pb.Lease{{
			Id:         claim.Task.Id,
			LeaseToken: claim.LeaseToken,
			Progress:   &pb.Progress{Fraction: fraction, Message: message},
		}},
	}}})
	return only(answer, answer.GetExtend().GetResults())
}

// finish returns what stands after the report.
func (r runner) finish(report *pb.Report) *pb.IdStatus {
	answer := r.ask(&pb.RunRequest{Request: &pb.RunRequest_Finish{Finish: &pb.FinishTasksRequest{
		Reports: []*pb.Report{report},
	}}})
	result := only(answer, answer.GetFinish().GetResults())
	if result.GetIdStatus() == nil {
		log.Fatalf("the report was refused: %v", result.GetError())
	}
	return result.GetIdStatus()
}

// end closes this side of the stream, and waits for the server to close the other.
func (r runner) end() {
	if err := r.stream.CloseSend(); err != nil {
		log.Fatal(err)
	}
	if last, err := r.stream.Recv(); !errors.Is(err, io.EOF) {
		log.Fatalf("at the end of Run came %v, %v", last, err)
	}
}

// ask sends a request and returns the answer. That Send fails means that the stream has ended; Recv tells why.
func (r runner) ask(request *pb.RunRequest) *pb.RunResponse {
	if err := r.stream.Send(request); err != nil && !errors.Is(err, io.EOF) {
		log.Fatal(err)
	}
	return must(r.stream.Recv())
}

// only returns the one item of a response. The getters of a response of another kind return none.
func only[T any](response *pb.RunResponse, items []T) T {
	if len(items) != 1 {
		log.Fatalf("Run brought something else: %v", response)
	}
	return items[0]
}
