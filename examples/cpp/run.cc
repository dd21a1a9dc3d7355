#include "run.h"

#include <stdexcept>

using idstatus::v1::RunRequest;
using idstatus::v1::RunResponse;

Run::Run(idstatus::v1::RunnerService::Stub& runners, const std::string& queue,
         std::chrono::system_clock::time_point deadline) {
  context_.set_deadline(deadline);
  stream_ = runners.Run(&context_);
  RunRequest request;
  request.mutable_subscription()->add_queues(queue);
  request.mutable_subscription()->set_capacity(1);
  request.mutable_subscription()->mutable_lease_duration()->set_seconds(10);
  stream_->Write(request);
  Next(RunResponse::kSubscription);
}

idstatus::v1::Claim Run::NextClaim() { return Next(RunResponse::kClaims).claims().claims(0); }

idstatus::v1::Notice Run::NextNotice() { return Next(RunResponse::kNotice).notice(); }

idstatus::v1::LeaseResult Run::Extend(const idstatus::v1::Claim& claim,
                                      const idstatus::v1::Progress& progress) {
  RunRequest request;
  idstatus::v1::Lease* lease = request.mutable_extend()->add_leases();
  lease->set_id(claim.task().id());
  lease->set_lease_token(claim.lease_token());
  *lease->mutable_progress() = progress;
  stream_->Write(request);
  return Next(RunResponse::kExtend).extend().results(0);
}

idstatus::v1::IdStatus Run::Finish(const idstatus::v1::Claim& claim, idstatus::v1::Report report) {
  report.set_id(claim.task().id());
  report.set_lease_token(claim.lease_token());
  RunRequest request;
  *request.mutable_finish()->add_reports() = report;
  stream_->Write(request);
  idstatus::v1::FinishResult result = Next(RunResponse::kFinish).finish().results(0);
  if (result.has_error()) throw std::runtime_error("report refused: " + result.error().message());
  return result.id_status();
}

void Run::Close() {
  stream_->WritesDone();
  Next(RunResponse::RESPONSE_NOT_SET);
  grpc::Status status = stream_->Finish();
  if (!status.ok()) throw std::runtime_error("Run ended: " + status.error_message());
}

// RESPONSE_NOT_SET stands for the end of the stream.
RunResponse Run::Next(RunResponse::ResponseCase wanted) {
  RunResponse response;
  stream_->Read(&response);
  if (response.response_case() != wanted) {
    throw std::runtime_error("Run said something else: " + response.ShortDebugString());
  }
  return response;
}
