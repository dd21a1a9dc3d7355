import assert from "node:assert/strict";

import type { ClientDuplexStream } from "@grpc/grpc-js";

import {
  Lease,
  type LeaseResult,
  type Report,
  RunRequest,
  type RunResponse,
  type RunnerServiceClient,
  Subscription,
} from "./gen/idstatus/v1/runner_service.js";
import type { IdStatus, Status, Task } from "./gen/idstatus/v1/task.js";

type Response = NonNullable<RunResponse["response"]>;
type Kind = Response["$case"];
type Value<K extends Kind> = Extract<Response, { $case: K }>["value"];

/**
 * The stream `Run`. This runner holds one task at a time and asks one thing at a time, so it
 * knows what comes next; one that does more finds the answers by their tags.
 */
export class Runner {
  readonly #stream: ClientDuplexStream<RunRequest, RunResponse>;
  readonly #responses: AsyncIterator<RunResponse, undefined>;

  constructor(runners: RunnerServiceClient) {
    this.#stream = runners.run();
    this.#responses = this.#stream[Symbol.asyncIterator]();
  }

  async subscribe(queue: string): Promise<void> {
    const value = { queues: [queue], capacity: 1, leaseDuration: { seconds: 10 }, runner: "node" };
    this.#send({ $case: "subscription", value: Subscription.create(value) });
    await this.#receive("subscription");
  }

  async claim(): Promise<{ task: Task; leaseToken: string }> {
    const [claim] = (await this.#receive("claims")).claims;
    assert(claim?.task);
    return { task: claim.task, leaseToken: claim.leaseToken };
  }

  async notice(): Promise<{ status: Status; message: string }> {
    const { idStatus, message } = await this.#receive("notice");
    assert(idStatus);
    return { status: idStatus.status, message };
  }

  async extend(lease: Partial<Lease>): Promise<LeaseResult> {
    this.#send({ $case: "extend", value: { leases: [Lease.create(lease)] } });
    const [result] = (await this.#receive("extend")).results;
    assert(result);
    return result;
  }

  /** Returns what stands after the report. */
  async finish(report: Report): Promise<IdStatus> {
    this.#send({ $case: "finish", value: { reports: [report] } });
    const [answer] = (await this.#receive("finish")).results;
    assert(answer?.result?.$case === "idStatus", JSON.stringify(answer));
    return answer.result.value;
  }

  /** Ends this side of the stream, and waits for the server to end the other. */
  async end(): Promise<void> {
    this.#stream.end();
    const { value } = await this.#responses.next();
    assert.equal(value, undefined);
  }

  #send(request: RunRequest["request"]): void {
    this.#stream.write(RunRequest.create({ request }));
  }

  /** Returns the next response, which must be of that kind. */
  async #receive<K extends Kind>(kind: K): Promise<Value<K>> {
    const { value } = await this.#responses.next();
    assert(value?.response?.$case === kind, `no ${kind}, but ${JSON.stringify(value)}`);
    return value.response.value as Value<K>;
  }
}
