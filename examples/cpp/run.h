#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "idstatus/v1/runner_service.grpc.pb.h"

// A runner that holds one task at a time, over one stream. Everything here
// throws if the server says anything else than what is waited for.
class Run {
 public:
  Run(idstatus::v1::RunnerService::Stub& runners, const std::string& queue,
      std::chrono::system_clock::time_point deadline);

  // Waits to be handed a task.
  idstatus::v1::Claim NextClaim();
  // Waits to be told that the task has been cancelled.
  idstatus::v1::Notice NextNotice();
  // Asks for more time, and tells how far the work is.
  idstatus::v1::LeaseResult Extend(const idstatus::v1::Claim& claim,
                                   const idstatus::v1::Progress& progress);
  // Reports how the work ended.
  idstatus::v1::IdStatus Finish(const idstatus::v1::Claim& claim, idstatus::v1::Report report);
  // Ends the stream.
  void Close();

 private:
  idstatus::v1::RunResponse Next(idstatus::v1::RunResponse::ResponseCase wanted);

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<idstatus::v1::RunRequest, idstatus::v1::RunResponse>>
      stream_;
};
