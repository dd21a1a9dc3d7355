import {
  type TaskChange,
  type TaskServiceClient,
  WatchTasksRequest,
  type WatchTasksResponse,
} from "./gen/idstatus/v1/task_service.js";
import { isToBeResumed, pause } from "./failures.js";

/** A message, or that a stream has broken. */
export type WatchEvent = WatchTasksResponse | "broken";

/**
 * Follows the tasks of a queue over as many streams as it takes: nothing is lost, and nothing
 * comes twice.
 */
export async function* watch(
  tasks: TaskServiceClient,
  queue: string,
): AsyncGenerator<WatchEvent, undefined> {
  let resumeToken = "";
  for (;;) {
    const stream = tasks.watchTasks(
      WatchTasksRequest.create({ filter: { queues: [queue] }, resumeToken }),
    );
    let held: TaskChange[] = [];
    try {
      for await (const message of stream as AsyncIterable<WatchTasksResponse>) {
        // Of the messages about what was committed together, only the last moves the token.
        held.push(...message.changes);
        if (message.resumeToken === resumeToken) continue;
        resumeToken = message.resumeToken;
        yield { ...message, changes: held };
        held = [];
      }
    } catch (error) {
      if (!isToBeResumed(error)) throw error;
      yield "broken";
      await pause();
    } finally {
      stream.cancel();
    }
  }
}
