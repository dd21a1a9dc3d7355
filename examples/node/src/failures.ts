import { setTimeout } from "node:timers/promises";

import { type ServiceError, status } from "@grpc/grpc-js";

import { ErrorInfo } from "./gen/google/rpc/error_details.js";
import { Status } from "./gen/google/rpc/status.js";

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error;
}

/** Whether the server was out of reach. */
export function isUnavailable(error: unknown): boolean {
  return isServiceError(error) && error.code === status.UNAVAILABLE;
}

/** Whether a watch that ended so is to be resumed. */
export function isToBeResumed(error: unknown): boolean {
  return (
    isUnavailable(error) || (isServiceError(error) && error.code === status.RESOURCE_EXHAUSTED)
  );
}

/** Waits a little before the next try, and not everybody equally long. */
export async function pause(): Promise<void> {
  await setTimeout(100 + Math.random() * 100);
}

/** Repeats a call for as long as the server is away. A write must carry a request id. */
export async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      await pause();
    }
  }
}

/** Returns why the server refused: the ErrorInfo in the details of its error. */
export function errorInfo(error: ServiceError): ErrorInfo | undefined {
  const [details] = error.metadata.get("grpc-status-details-bin");
  if (!(details instanceof Buffer)) return undefined;
  const info = Status.decode(details).details.find(({ typeUrl }) =>
    typeUrl.endsWith("/google.rpc.ErrorInfo"),
  );
  return info && ErrorInfo.decode(info.value);
}
