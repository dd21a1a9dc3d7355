#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "idstatus/v1/task_service.grpc.pb.h"

// What a watch has brought, over all its streams.
struct Story {
  std::vector<idstatus::v1::TaskChange> changes;
  int snapshots = 0;
  int breaks = 0;
};

// Follows the changes of one queue, in a thread of its own: none is lost, and none comes twice.
class Watch {
 public:
  Watch(idstatus::v1::TaskService::Stub& tasks, const std::string& queue,
        std::chrono::system_clock::time_point deadline);
  ~Watch();

  // Waits until the story is as wanted, and returns it. Throws if the watch ends before.
  Story WaitUntil(const std::function<bool(const Story&)>& wanted);

 private:
  void Follow();
  grpc::Status FollowOneStream();
  void Take(const idstatus::v1::WatchTasksResponse& response);

  idstatus::v1::TaskService::Stub& tasks_;
  idstatus::v1::WatchTasksRequest request_;
  const std::chrono::system_clock::time_point deadline_;
  std::vector<idstatus::v1::TaskChange> held_;  // until the token moves

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Story story_;
  grpc::Status end_;  // OK while it goes on
  bool closed_ = false;
  std::unique_ptr<grpc::ClientContext> context_;

  std::thread thread_;
};
