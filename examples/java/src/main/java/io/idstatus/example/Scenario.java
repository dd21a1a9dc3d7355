package io.idstatus.example;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.idstatus.v1.CancelTaskRequest;
import io.idstatus.v1.CreateTaskRequest;
import io.idstatus.v1.GetTaskRequest;
import io.idstatus.v1.Progress;
import io.idstatus.v1.Report;
import io.idstatus.v1.RunnerServiceGrpc;
import io.idstatus.v1.RunnerServiceGrpc.RunnerServiceStub;
import io.idstatus.v1.Status;
import io.idstatus.v1.Stopped;
import io.idstatus.v1.Success;
import io.idstatus.v1.Task;
import io.idstatus.v1.TaskChange;
import io.idstatus.v1.TaskServiceGrpc;
import io.idstatus.v1.TaskServiceGrpc.TaskServiceBlockingStub;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Plays ../scenario.md against the server at the address given. */
public final class Scenario {
  private static final long PATIENCE_MINUTES = 2;
  private static final long PAUSE_MILLIS = 200; // before a call is repeated

  private final String queue = "scenario-" + randomLetters();
  private final RunnerServiceStub runners;
  private final TaskServiceBlockingStub tasks;
  private final Watch watch;

  private Scenario(Channel channel) {
    runners = RunnerServiceGrpc.newStub(channel);
    tasks = TaskServiceGrpc.newBlockingStub(channel);
    watch = new Watch(tasks, queue);
  }

  public static void main(String[] args) throws Exception {
    if (args.length != 1) {
      System.err.println("usage: Scenario ADDRESS");
      System.exit(1);
    }
    var channel = Grpc.newChannelBuilder(args[0], InsecureChannelCredentials.create()).build();
    var timer = Executors.newSingleThreadScheduledExecutor();
    // Every call of the block ends with it.
    try (var context =
        Context.current().withDeadlineAfter(PATIENCE_MINUTES, TimeUnit.MINUTES, timer)) {
      context.call(
          () -> {
            new Scenario(channel).play();
            return null;
          });
    } finally {
      timer.shutdown();
      channel.shutdown();
    }
  }

  private void play() throws InterruptedException {
    var changes = watch.waitUntil(story -> story.snapshots() > 0).changes();
    var there = changes.isEmpty() ? "nothing there yet" : "something there";
    tell("watch", "open, nothing there yet", "open", there);
    var first = createTwice();
    var run = new Run(runners, queue);
    succeed(run, first);
    var second = cancel(run);
    cancelTooLate(first);
    run.close();
    var third = restart(second);
    tellStory(List.of(first, second, third));
  }

  private String createTwice() {
    var request = newTask("hello");
    var task = create(request);
    var same = create(request).equals(task);
    tell("create", "one task, QUEUED", same ? "one task" : "two tasks", name(task.getStatus()));
    return task.getId();
  }

  private void succeed(Run run, String id) throws InterruptedException {
    var claim = run.nextClaim();
    tell("claim", "hello", claim.getTask().getPayload().toStringUtf8());

    var progress = Progress.newBuilder().setFraction(0.5).setMessage("half way").build();
    tell("extend", "EXTENDED", name(run.extend(claim, progress).getState()));

    var success = Success.newBuilder().setResult(ByteString.copyFromUtf8("HELLO"));
    var finished = run.finish(claim, Report.newBuilder().setSuccess(success));
    tell("finish", "SUCCESS", name(finished.getStatus()));

    var task = tasks.getTask(GetTaskRequest.newBuilder().setId(id).build()).getTask();
    tell(
        "get",
        "SUCCESS, ENDED, HELLO",
        name(task.getStatus()),
        name(task.getExecution()),
        task.getResult().toStringUtf8());
  }

  private String cancel(Run run) throws InterruptedException {
    var id = create(newTask("forever")).getId();
    var claim = run.nextClaim();
    tell("claim", "forever", claim.getTask().getPayload().toStringUtf8());

    var request = CancelTaskRequest.newBuilder().setId(id).setMessage("not today").build();
    var cancelled = tasks.cancelTask(request).getIdStatus();
    tell(
        "cancel",
        "CANCELLED, CLIENT_REQUEST, MAY_BE_RUNNING",
        name(cancelled.getStatus()),
        name(cancelled.getReason()),
        name(cancelled.getExecution()));

    var notice = run.nextNotice();
    tell(
        "notice",
        "CANCELLED, not today",
        name(notice.getIdStatus().getStatus()),
        notice.getMessage());

    var report = Report.newBuilder().setStopped(Stopped.getDefaultInstance());
    var stopped = run.finish(claim, report);
    tell("stopped", "CANCELLED, ENDED", name(stopped.getStatus()), name(stopped.getExecution()));
    return id;
  }

  private void cancelTooLate(String id) {
    try {
      tasks.cancelTask(CancelTaskRequest.newBuilder().setId(id).build());
    } catch (StatusRuntimeException e) {
      var info = infoOf(e);
      tell(
          "refused",
          "FAILED_PRECONDITION, TASK_FINISHED, idstatus",
          e.getStatus().getCode().name(),
          info.getReason(),
          info.getDomain());
      return;
    }
    throw new IllegalStateException("a finished task was cancelled");
  }

  private String restart(String cancelled) throws InterruptedException {
    watch.waitUntil(story -> holds(story, cancelled, Status.STATUS_CANCELLED));
    System.out.println("restart the server");

    watch.waitUntil(story -> story.breaks() > 0);

    var id = createWhenPossible(newTask("later")).getId();
    System.out.println("create: after the restart");

    var story = watch.waitUntil(it -> holds(it, id, Status.STATUS_QUEUED));
    var again = story.snapshots() == 1 ? "without another snapshot" : "with another snapshot";
    tell("resumed", "without another snapshot", again);
    return id;
  }

  private void tellStory(List<String> ids) throws InterruptedException {
    var transitions = new ArrayList<String>();
    var ordered = true;
    var revision = 0L;
    for (var change : watch.waitUntil(story -> true).changes()) {
      var now = change.getIdStatus();
      ordered &= now.getRevision() > revision && change.getType() != TaskChange.Type.TYPE_SNAPSHOT;
      revision = now.getRevision();
      if (change.getType() == TaskChange.Type.TYPE_TRANSITION) {
        transitions.add((ids.indexOf(now.getId()) + 1) + " " + name(now.getStatus()));
      }
    }
    tell(
        "saw",
        "1 QUEUED, 1 RUNNING, 1 SUCCESS, 2 QUEUED, 2 RUNNING, 2 CANCELLED, 3 QUEUED",
        transitions.toArray(String[]::new));
    tell("order", "kept", ordered ? "kept" : "broken");
  }

  private CreateTaskRequest newTask(String payload) {
    return CreateTaskRequest.newBuilder()
        .setQueue(queue)
        .setPayload(ByteString.copyFromUtf8(payload))
        .setRequestId(randomLetters())
        .build();
  }

  private Task create(CreateTaskRequest request) {
    return tasks.createTask(request).getTask();
  }

  /** Safe to repeat: the request id makes it one task. */
  private Task createWhenPossible(CreateTaskRequest request) throws InterruptedException {
    while (true) {
      try {
        return create(request);
      } catch (StatusRuntimeException e) {
        if (e.getStatus().getCode() != Code.UNAVAILABLE) {
          throw e;
        }
      }
      Thread.sleep(PAUSE_MILLIS);
    }
  }

  /** Prints what came, if it is as it should be. */
  private static void tell(String about, String expected, String... came) {
    var joined = String.join(", ", came);
    if (!joined.equals(expected)) {
      throw new IllegalStateException(about + ": " + joined + "; should be: " + expected);
    }
    System.out.println(about + ": " + expected);
  }

  private static boolean holds(Watch.Story story, String id, Status status) {
    return story.changes().stream()
        .filter(change -> change.getType() == TaskChange.Type.TYPE_TRANSITION)
        .map(TaskChange::getIdStatus)
        .anyMatch(now -> now.getId().equals(id) && now.getStatus() == status);
  }

  private static ErrorInfo infoOf(StatusRuntimeException error) {
    try {
      for (var detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          return detail.unpack(ErrorInfo.class);
        }
      }
      return ErrorInfo.getDefaultInstance();
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Returns QUEUED for STATUS_QUEUED. */
  private static String name(Enum<?> value) {
    return value.name().substring(value.name().indexOf('_') + 1);
  }

  private static String randomLetters() {
    return ThreadLocalRandom.current()
        .ints(12, 'a', 'z' + 1)
        .mapToObj(Character::toString)
        .collect(Collectors.joining());
  }
}
