#include "watch.h"

#include <stdexcept>

using grpc::StatusCode;

namespace {

constexpr std::chrono::milliseconds kPause(200);  // before a stream is resumed

bool Passes(const grpc::Status& status) {
  return status.error_code() == StatusCode::UNAVAILABLE ||
         status.error_code() == StatusCode::RESOURCE_EXHAUSTED;
}

}  // namespace

Watch::Watch(idstatus::v1::TaskService::Stub& tasks, const std::string& queue,
             std::chrono::system_clock::time_point deadline)
    : tasks_(tasks), deadline_(deadline) {
  request_.mutable_filter()->add_queues(queue);
  thread_ = std::thread(&Watch::Follow, this);
}

Watch::~Watch() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    if (context_) context_->TryCancel();
  }
  thread_.join();
}

Story Watch::WaitUntil(const std::function<bool(const Story&)>& wanted) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return wanted(story_) || !end_.ok(); });
  if (!wanted(story_)) throw std::runtime_error("the watch ended: " + end_.error_message());
  return story_;
}

void Watch::Follow() {
  grpc::Status end = FollowOneStream();
  while (Passes(end)) {
    {
      std::lock_guard lock(mutex_);
      ++story_.breaks;
      changed_.notify_all();
    }
    std::this_thread::sleep_for(kPause);
    end = FollowOneStream();
  }
  std::lock_guard lock(mutex_);
  end_ = end;
  changed_.notify_all();
}

// Begins where the stream before it broke off, for the request carries the last token.
grpc::Status Watch::FollowOneStream() {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return grpc::Status::CANCELLED;
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(deadline_);
  }
  held_.clear();
  auto reader = tasks_.WatchTasks(context_.get(), request_);
  idstatus::v1::WatchTasksResponse response;
  while (reader->Read(&response)) Take(response);
  return reader->Finish();
}

void Watch::Take(const idstatus::v1::WatchTasksResponse& response) {
  std::lock_guard lock(mutex_);
  story_.snapshots += response.snapshot_complete();
  held_.insert(held_.end(), response.changes().begin(), response.changes().end());
  // Of the messages about what was committed together, only the last moves the token.
  if (response.resume_token() != request_.resume_token()) {
    request_.set_resume_token(response.resume_token());
    story_.changes.insert(story_.changes.end(), held_.begin(), held_.end());
    held_.clear();
  }
  changed_.notify_all();
}
