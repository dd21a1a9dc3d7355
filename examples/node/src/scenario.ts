import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { status } from "@grpc/grpc-js";

import { errorInfo, insist, isServiceError } from "./failures.js";
import { LeaseResult_State, type RunnerServiceClient } from "./gen/idstatus/v1/runner_service.js";
import { Execution, Reason, Status, type Task } from "./gen/idstatus/v1/task.js";
import {
  CancelTaskRequest,
  CreateTaskRequest,
  GetTaskRequest,
  type TaskChange,
  TaskChange_Type,
  type TaskServiceClient,
} from "./gen/idstatus/v1/task_service.js";
import { promised } from "./promised.js";
import { Runner } from "./runner.js";
import { type WatchEvent, watch } from "./watch.js";

/** Plays the scenario, and throws as soon as something is not as it should be. */
export async function play(tasks: TaskServiceClient, runners: RunnerServiceClient): Promise<void> {
  const scenario = new Scenario(tasks);
  await scenario.begin();
  const runner = new Runner(runners);
  await scenario.succeed(runner);
  await scenario.cancel(runner);
  await scenario.refuse();
  await runner.end();
  await scenario.restart();
  scenario.review();
}

class Scenario {
  readonly #tasks;
  readonly #watch;
  readonly #queue = `scenario-${randomUUID()}`;
  readonly #ids: string[] = []; // of the tasks it created
  readonly #changes: TaskChange[] = []; // that the watch brought

  constructor(tasks: TaskServiceClient) {
    this.#tasks = promised(tasks);
    this.#watch = watch(tasks, this.#queue);
  }

  async begin(): Promise<void> {
    await this.#watchUntil((event) => event !== "broken" && event.snapshotComplete);
    assert.deepEqual(this.#changes, [], "a new queue has tasks");
    console.log("watch: open, nothing there yet");

    const request = this.#newTask("hello");
    const task = await this.#create(request);
    const { task: again } = await this.#tasks.createTask(request);
    assert.deepEqual(again, task, "a repeat has another answer");
    say("create", "one task, QUEUED", "one task", Status[task.status]);
  }

  async succeed(runner: Runner): Promise<void> {
    await runner.subscribe(this.#queue);
    const { task, leaseToken } = await runner.claim();
    say("claim", "hello", task.payload.toString());

    const lease = { id: task.id, leaseToken, progress: { fraction: 0.5, message: "half way" } };
    say("extend", "EXTENDED", LeaseResult_State[(await runner.extend(lease)).state]);

    const success = { $case: "success", value: { result: Buffer.from("HELLO") } } as const;
    const finished = await runner.finish({ id: task.id, leaseToken, outcome: success });
    say("finish", "SUCCESS", Status[finished.status]);

    const { task: got } = await this.#tasks.getTask(GetTaskRequest.create({ id: task.id }));
    assert(got);
    say(
      "get",
      "SUCCESS, ENDED, HELLO",
      Status[got.status],
      Execution[got.execution],
      got.result.toString(),
    );
  }

  async cancel(runner: Runner): Promise<void> {
    await this.#create(this.#newTask("forever"));
    const { task, leaseToken } = await runner.claim();
    say("claim", "forever", task.payload.toString());

    const { idStatus: cancelled } = await this.#tasks.cancelTask(
      CancelTaskRequest.create({ id: task.id, message: "not today", requestId: randomUUID() }),
    );
    assert(cancelled);
    say(
      "cancel",
      "CANCELLED, CLIENT_REQUEST, MAY_BE_RUNNING",
      Status[cancelled.status],
      Reason[cancelled.reason],
      Execution[cancelled.execution],
    );

    const notice = await runner.notice();
    say("notice", "CANCELLED, not today", Status[notice.status], notice.message);

    const stopped = await runner.finish({
      id: task.id,
      leaseToken,
      outcome: { $case: "stopped", value: {} },
    });
    say("stopped", "CANCELLED, ENDED", Status[stopped.status], Execution[stopped.execution]);
  }

  async refuse(): Promise<void> {
    const request = CancelTaskRequest.create({ id: this.#ids[0], requestId: randomUUID() });
    const error: unknown = await this.#tasks.cancelTask(request).catch((error: unknown) => error);
    assert(isServiceError(error), "a finished task was cancelled");
    const info = errorInfo(error);
    assert(info, error);
    say(
      "refused",
      "FAILED_PRECONDITION, TASK_FINISHED, idstatus",
      status[error.code],
      info.reason,
      info.domain,
    );
  }

  async restart(): Promise<void> {
    await this.#watchUntil((event) => brings(event, this.#ids[1], Status.CANCELLED));
    console.log("restart the server");
    await this.#watchUntil((event) => event === "broken");
    const task = await this.#create(this.#newTask("later"));
    console.log("create: after the restart");
    await this.#watchUntil((event) => brings(event, task.id, Status.QUEUED));
    console.log("resumed: without another snapshot");
    await this.#watch.return(undefined);
  }

  /** Looks at what the watch brought, over all its streams. */
  review(): void {
    const transitions: string[] = [];
    let revision = 0;
    for (const { type, idStatus: now } of this.#changes) {
      assert(now);
      assert(now.revision > revision, `revision ${now.revision} came after ${revision}`);
      revision = now.revision;
      assert.notEqual(type, TaskChange_Type.SNAPSHOT);
      if (type === TaskChange_Type.TRANSITION) {
        transitions.push(`${this.#ids.indexOf(now.id) + 1} ${Status[now.status]}`);
      }
    }
    say(
      "saw",
      "1 QUEUED, 1 RUNNING, 1 SUCCESS, 2 QUEUED, 2 RUNNING, 2 CANCELLED, 3 QUEUED",
      ...transitions,
    );
    console.log("order: kept");
  }

  /** Returns a request that may be repeated: its id makes a repeat return the first answer. */
  #newTask(payload: string): CreateTaskRequest {
    return CreateTaskRequest.create({
      queue: this.#queue,
      payload: Buffer.from(payload),
      requestId: randomUUID(),
    });
  }

  async #create(request: CreateTaskRequest): Promise<Task> {
    const { task } = await insist(() => this.#tasks.createTask(request));
    assert(task);
    this.#ids.push(task.id);
    return task;
  }

  /** Keeps what the watch brings, up to the event that is waited for. */
  async #watchUntil(awaited: (event: WatchEvent) => boolean): Promise<void> {
    for (;;) {
      const { value: event } = await this.#watch.next();
      assert(event, "the watch has ended");
      if (event !== "broken") this.#changes.push(...event.changes);
      if (awaited(event)) return;
    }
  }
}

function brings(event: WatchEvent, id: string, status: Status): boolean {
  return (
    event !== "broken" &&
    event.changes.some(({ idStatus: now }) => now?.id === id && now?.status === status)
  );
}

/** Prints a line if what came is what is expected. */
function say(about: string, expected: string, ...came: string[]): void {
  assert.equal(came.join(", "), expected, about);
  console.log(`${about}: ${expected}`);
}
