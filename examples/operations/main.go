// Command follow follows an operation to its end, or cancels it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"cloud.google.com/go/longrunning"
	autogen "cloud.google.com/go/longrunning/autogen"
	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	idstatus "github.com/idstatus/idstatus/examples/operations/gen/idstatus/v1"
)

const usage = "usage: follow ADDRESS NAME [cancel]"

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 || len(os.Args) > 4 || len(os.Args) == 4 && os.Args[3] != "cancel" {
		log.Fatal(usage)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := follow(ctx, os.Args[1], os.Args[2], len(os.Args) == 4); err != nil {
		log.Fatal(err)
	}
}

func follow(ctx context.Context, address, name string, cancel bool) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	client, err := autogen.NewOperationsClient(ctx, option.WithGRPCConn(conn))
	if err != nil {
		return err
	}
	defer client.Close()
	found, err := client.GetOperation(ctx, &longrunningpb.GetOperationRequest{Name: name})
	if err != nil {
		return err
	}

	operation := longrunning.InternalNewOperation(client, found)
	task := &idstatus.Task{}
	if err := operation.Metadata(task); err != nil {
		return err
	}
	fmt.Println(operation.Name(), "in", task.GetQueue(), "is", task.GetStatus())
	if cancel {
		if err := operation.Cancel(ctx); err != nil {
			return err
		}
	}
	err = operation.WaitWithInterval(ctx, task, time.Second)
	var failure *apierror.APIError
	if errors.As(err, &failure) && operation.Done() {
		fmt.Println("failed:", failure.GRPCStatus().Code(), failure.Reason(), failure.Metadata())
	} else if err != nil {
		return err
	} else {
		fmt.Printf("result: %s\n", task.GetResult())
	}
	return nil
}
