/** Plays ../../scenario.md against an idstatus server. */
import { credentials } from "@grpc/grpc-js";

import { RunnerServiceClient } from "./gen/idstatus/v1/runner_service.js";
import { TaskServiceClient } from "./gen/idstatus/v1/task_service.js";
import { play } from "./scenario.js";

const [address] = process.argv.slice(2);
if (address === undefined) {
  console.error("usage: node build/main.js ADDRESS");
  process.exit(2);
}

setTimeout(() => {
  console.error("gave up after 2 minutes");
  process.exit(1);
}, 120_000).unref();

const tasks = new TaskServiceClient(address, credentials.createInsecure());
const runners = new RunnerServiceClient(address, credentials.createInsecure());
try {
  await play(tasks, runners);
} catch (error) {
  console.error(error);
  process.exit(1);
}
tasks.close();
runners.close();
