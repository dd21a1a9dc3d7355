package io.idstatus.example;

import io.grpc.Context;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.idstatus.v1.TaskChange;
import io.idstatus.v1.TaskFilter;
import io.idstatus.v1.TaskServiceGrpc.TaskServiceBlockingStub;
import io.idstatus.v1.WatchTasksRequest;
import io.idstatus.v1.WatchTasksResponse;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** Follows the changes of one queue in a thread of its own: none is lost, and none comes twice. */
final class Watch {
  /** What a watch has brought, over all its streams. */
  record Story(List<TaskChange> changes, int snapshots, int breaks) {}

  private static final Set<Code> PASSING = EnumSet.of(Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED);
  private static final long PAUSE_MILLIS = 200; // before a stream is resumed

  private final TaskServiceBlockingStub tasks;
  private final List<TaskChange> held = new ArrayList<>(); // until the token moves
  private final List<TaskChange> changes = new ArrayList<>();
  private WatchTasksRequest request;
  private int snapshots;
  private int breaks;
  private Exception end;

  /** Begins; it ends with the current context. */
  Watch(TaskServiceBlockingStub tasks, String queue) {
    this.tasks = tasks;
    var filter = TaskFilter.newBuilder().addQueues(queue);
    request = WatchTasksRequest.newBuilder().setFilter(filter).build();
    new Thread(Context.current().wrap(this::follow), "watch").start();
  }

  /** Waits until the story is as wanted, and returns it. */
  synchronized Story waitUntil(Predicate<Story> wanted) throws InterruptedException {
    while (!wanted.test(story())) {
      if (end != null) {
        throw new IllegalStateException("the watch ended", end);
      }
      wait();
    }
    return story();
  }

  private synchronized Story story() {
    return new Story(List.copyOf(changes), snapshots, breaks);
  }

  private void follow() {
    try {
      while (true) {
        followOneStream();
        Thread.sleep(PAUSE_MILLIS);
      }
    } catch (InterruptedException | StatusRuntimeException e) {
      end(e);
    }
  }

  /** Begins where the stream before it broke off, for the request carries the last token. */
  private void followOneStream() {
    held.clear();
    try {
      tasks.watchTasks(request).forEachRemaining(this::take);
    } catch (StatusRuntimeException e) {
      if (!PASSING.contains(e.getStatus().getCode())) {
        throw e;
      }
      broke();
    }
  }

  private synchronized void take(WatchTasksResponse response) {
    snapshots += response.getSnapshotComplete() ? 1 : 0;
    held.addAll(response.getChangesList());
    // Of the messages about what was committed together, only the last moves the token.
    if (!response.getResumeToken().equals(request.getResumeToken())) {
      request = request.toBuilder().setResumeToken(response.getResumeToken()).build();
      changes.addAll(held);
      held.clear();
    }
    notifyAll();
  }

  private synchronized void broke() {
    breaks++;
    notifyAll();
  }

  private synchronized void end(Exception e) {
    end = e;
    notifyAll();
  }
}
