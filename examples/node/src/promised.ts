import { promisify } from "node:util";

import type {
  CancelTaskRequest,
  CancelTaskResponse,
  CreateTaskRequest,
  CreateTaskResponse,
  GetTaskRequest,
  GetTaskResponse,
  TaskServiceClient,
} from "./gen/idstatus/v1/task_service.js";

/** The unary calls that the scenario makes, with promises in place of callbacks. */
export function promised(tasks: TaskServiceClient) {
  return {
    createTask: promisify<CreateTaskRequest, CreateTaskResponse>((request, done) =>
      tasks.createTask(request, done),
    ),
    getTask: promisify<GetTaskRequest, GetTaskResponse>((request, done) =>
      tasks.getTask(request, done),
    ),
    cancelTask: promisify<CancelTaskRequest, CancelTaskResponse>((request, done) =>
      tasks.cancelTask(request, done),
    ),
  };
}
