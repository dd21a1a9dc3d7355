package io.idstatus.example;

import com.google.protobuf.Duration;
import io.grpc.stub.StreamObserver;
import io.idstatus.v1.Claim;
import io.idstatus.v1.ExtendLeasesRequest;
import io.idstatus.v1.FinishTasksRequest;
import io.idstatus.v1.IdStatus;
import io.idstatus.v1.Lease;
import io.idstatus.v1.LeaseResult;
import io.idstatus.v1.Notice;
import io.idstatus.v1.Progress;
import io.idstatus.v1.Report;
import io.idstatus.v1.RunRequest;
import io.idstatus.v1.RunResponse;
import io.idstatus.v1.RunResponse.ResponseCase;
import io.idstatus.v1.RunnerServiceGrpc.RunnerServiceStub;
import io.idstatus.v1.Subscription;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * A runner that holds one task at a time, over one stream. Its methods throw an
 * IllegalStateException if the server says anything else than what they wait for.
 */
final class Run {
  private static final long LEASE_SECONDS = 10;

  private final BlockingQueue<RunResponse> responses = new LinkedBlockingQueue<>();
  private final StreamObserver<RunRequest> requests;
  private volatile Throwable failure;

  Run(RunnerServiceStub runners, String queue) throws InterruptedException {
    requests = runners.run(new Incoming());
    var subscription =
        Subscription.newBuilder()
            .addQueues(queue)
            .setCapacity(1)
            .setLeaseDuration(Duration.newBuilder().setSeconds(LEASE_SECONDS));
    requests.onNext(RunRequest.newBuilder().setSubscription(subscription).build());
    next(ResponseCase.SUBSCRIPTION);
  }

  /** Waits to be handed a task. */
  Claim nextClaim() throws InterruptedException {
    return next(ResponseCase.CLAIMS).getClaims().getClaims(0);
  }

  /** Waits to be told that the task has been cancelled. */
  Notice nextNotice() throws InterruptedException {
    return next(ResponseCase.NOTICE).getNotice();
  }

  /** Asks for more time, and tells how far the work is. */
  LeaseResult extend(Claim claim, Progress progress) throws InterruptedException {
    var lease =
        Lease.newBuilder()
            .setId(claim.getTask().getId())
            .setLeaseToken(claim.getLeaseToken())
            .setProgress(progress);
    var extend = ExtendLeasesRequest.newBuilder().addLeases(lease);
    requests.onNext(RunRequest.newBuilder().setExtend(extend).build());
    return next(ResponseCase.EXTEND).getExtend().getResults(0);
  }

  /** Reports how the work ended; the report needs its outcome only. */
  IdStatus finish(Claim claim, Report.Builder report) throws InterruptedException {
    report.setId(claim.getTask().getId()).setLeaseToken(claim.getLeaseToken());
    var finish = FinishTasksRequest.newBuilder().addReports(report);
    requests.onNext(RunRequest.newBuilder().setFinish(finish).build());
    var result = next(ResponseCase.FINISH).getFinish().getResults(0);
    if (result.hasError()) {
      throw new IllegalStateException("report refused: " + result.getError().getMessage());
    }
    return result.getIdStatus();
  }

  /** Ends the stream. */
  void close() throws InterruptedException {
    requests.onCompleted();
    next(ResponseCase.RESPONSE_NOT_SET);
  }

  /** RESPONSE_NOT_SET stands for the end of the stream. */
  private RunResponse next(ResponseCase wanted) throws InterruptedException {
    var response = responses.take();
    if (response.getResponseCase() != wanted || failure != null) {
      throw new IllegalStateException("Run: " + response + "; should be: " + wanted, failure);
    }
    return response;
  }

  private final class Incoming implements StreamObserver<RunResponse> {
    @Override
    public void onNext(RunResponse response) {
      responses.add(response);
    }

    @Override
    public void onError(Throwable error) {
      failure = error;
      onCompleted();
    }

    @Override
    public void onCompleted() {
      responses.add(RunResponse.getDefaultInstance());
    }
  }
}
