// Plays ../scenario.md against the server at the address given.

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "idstatus/v1/runner_service.grpc.pb.h"
#include "idstatus/v1/task_service.grpc.pb.h"
#include "run.h"
#include "watch.h"

using namespace idstatus::v1;

namespace {

constexpr std::chrono::minutes kPatience(2);

// While the server is away, calls wait for it, and are repeated after UNAVAILABLE. That is safe,
// for every write carries a request id. A stream that has begun is not resumed by this: see
// watch.cc.
constexpr char kServiceConfig[] = R"({"methodConfig": [{
  "name": [{"service": "idstatus.v1.TaskService"}],
  "waitForReady": true,
  "retryPolicy": {
    "maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"]
  }
}]})";

struct RpcError : std::runtime_error {
  explicit RpcError(const grpc::Status& s) : std::runtime_error(s.error_message()), status(s) {}
  const grpc::Status status;
};

std::string Joined(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += (joined.empty() ? "" : ", ") + word;
  return joined;
}

// Prints what came, if it is as it should be.
void Tell(const std::string& about, const std::string& expected,
          const std::vector<std::string>& came) {
  if (Joined(came) != expected) {
    throw std::runtime_error(about + ": " + Joined(came) + "; should be: " + expected);
  }
  std::cout << about << ": " << expected << std::endl;
}

// QUEUED, of STATUS_QUEUED.
std::string Short(const std::string& name) { return name.substr(name.find('_') + 1); }

std::string RandomLetters() {
  std::random_device random;
  std::string letters(12, ' ');
  for (char& letter : letters) letter = static_cast<char>('a' + random() % 26);
  return letters;
}

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::Status rich;
  rich.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  for (const auto& detail : rich.details()) {
    if (detail.Is<google::rpc::ErrorInfo>()) detail.UnpackTo(&info);
  }
  return info;
}

bool IsTransition(const TaskChange& change, const std::string& id, Status status) {
  return change.type() == TaskChange::TYPE_TRANSITION && change.id_status().id() == id &&
         change.id_status().status() == status;
}

bool Holds(const Story& story, const std::string& id, Status status) {
  return std::any_of(story.changes.begin(), story.changes.end(),
                     [&](const TaskChange& change) { return IsTransition(change, id, status); });
}

class Scenario {
 public:
  explicit Scenario(const std::shared_ptr<grpc::Channel>& channel)
      : queue_("scenario-" + RandomLetters()),
        tasks_(TaskService::NewStub(channel)),
        runners_(RunnerService::NewStub(channel)),
        watch_(*tasks_, queue_, deadline_) {}

  void Play() {
    Story story = watch_.WaitUntil([](const Story& s) { return s.snapshots > 0; });
    Tell("watch", "open, nothing there yet",
         {"open", story.changes.empty() ? "nothing there yet" : "something there"});
    std::string first = CreateTwice();
    Run run(*runners_, queue_, deadline_);
    Succeed(run, first);
    std::string second = Cancel(run);
    CancelTooLate(first);
    run.Close();
    std::string third = Restart(second);
    TellStory({first, second, third});
  }

 private:
  template <class Request, class Response>
  Response Call(grpc::Status (TaskService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(deadline_);
    Response response;
    grpc::Status status = ((*tasks_).*method)(&context, request, &response);
    if (!status.ok()) throw RpcError(status);
    return response;
  }

  CreateTaskRequest NewTask(const std::string& payload) const {
    CreateTaskRequest request;
    request.set_queue(queue_);
    request.set_payload(payload);
    request.set_request_id(RandomLetters());
    return request;
  }

  Task Create(const CreateTaskRequest& request) {
    return Call(&TaskService::Stub::CreateTask, request).task();
  }

  std::string CreateTwice() {
    CreateTaskRequest request = NewTask("hello");
    Task task = Create(request);
    bool same = Create(request).SerializeAsString() == task.SerializeAsString();
    Tell("create", "one task, QUEUED",
         {same ? "one task" : "two tasks", Short(Status_Name(task.status()))});
    return task.id();
  }

  void Succeed(Run& run, const std::string& id) {
    Claim claim = run.NextClaim();
    Tell("claim", "hello", {claim.task().payload()});

    Progress progress;
    progress.set_fraction(0.5);
    progress.set_message("half way");
    Tell("extend", "EXTENDED",
         {Short(LeaseResult::State_Name(run.Extend(claim, progress).state()))});

    Report report;
    report.mutable_success()->set_result("HELLO");
    Tell("finish", "SUCCESS", {Short(Status_Name(run.Finish(claim, report).status()))});

    GetTaskRequest request;
    request.set_id(id);
    Task task = Call(&TaskService::Stub::GetTask, request).task();
    Tell("get", "SUCCESS, ENDED, HELLO",
         {Short(Status_Name(task.status())), Short(Execution_Name(task.execution())),
          task.result()});
  }

  std::string Cancel(Run& run) {
    std::string id = Create(NewTask("forever")).id();
    Claim claim = run.NextClaim();
    Tell("claim", "forever", {claim.task().payload()});

    CancelTaskRequest request;
    request.set_id(id);
    request.set_message("not today");
    request.set_request_id(RandomLetters());
    IdStatus cancelled = Call(&TaskService::Stub::CancelTask, request).id_status();
    Tell("cancel", "CANCELLED, CLIENT_REQUEST, MAY_BE_RUNNING",
         {Short(Status_Name(cancelled.status())), Short(Reason_Name(cancelled.reason())),
          Short(Execution_Name(cancelled.execution()))});

    Notice notice = run.NextNotice();
    Tell("notice", "CANCELLED, not today",
         {Short(Status_Name(notice.id_status().status())), notice.message()});

    Report report;
    report.mutable_stopped();
    IdStatus stopped = run.Finish(claim, report);
    Tell("stopped", "CANCELLED, ENDED",
         {Short(Status_Name(stopped.status())), Short(Execution_Name(stopped.execution()))});
    return id;
  }

  void CancelTooLate(const std::string& id) {
    CancelTaskRequest request;
    request.set_id(id);
    request.set_request_id(RandomLetters());
    try {
      Call(&TaskService::Stub::CancelTask, request);
    } catch (const RpcError& error) {
      google::rpc::ErrorInfo info = InfoOf(error.status);
      bool code = error.status.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
      Tell("refused", "FAILED_PRECONDITION, TASK_FINISHED, idstatus",
           {code ? "FAILED_PRECONDITION" : error.what(), info.reason(), info.domain()});
      return;
    }
    throw std::runtime_error("a finished task was cancelled");
  }

  std::string Restart(const std::string& cancelled) {
    watch_.WaitUntil([&](const Story& s) { return Holds(s, cancelled, STATUS_CANCELLED); });
    std::cout << "restart the server" << std::endl;

    watch_.WaitUntil([](const Story& s) { return s.breaks > 0; });

    std::string id = Create(NewTask("later")).id();
    std::cout << "create: after the restart" << std::endl;

    Story story = watch_.WaitUntil([&](const Story& s) { return Holds(s, id, STATUS_QUEUED); });
    Tell("resumed", "without another snapshot",
         {story.snapshots == 1 ? "without another snapshot" : "with another snapshot"});
    return id;
  }

  void TellStory(const std::vector<std::string>& ids) {
    std::vector<std::string> transitions;
    bool ordered = true;
    int64_t revision = 0;
    for (const TaskChange& change : watch_.WaitUntil([](const Story&) { return true; }).changes) {
      const IdStatus& now = change.id_status();
      ordered = ordered && now.revision() > revision && change.type() != TaskChange::TYPE_SNAPSHOT;
      revision = now.revision();
      if (change.type() != TaskChange::TYPE_TRANSITION) continue;
      auto number = std::find(ids.begin(), ids.end(), now.id()) - ids.begin() + 1;
      transitions.push_back(std::to_string(number) + " " + Short(Status_Name(now.status())));
    }
    Tell("saw", "1 QUEUED, 1 RUNNING, 1 SUCCESS, 2 QUEUED, 2 RUNNING, 2 CANCELLED, 3 QUEUED",
         transitions);
    Tell("order", "kept", {ordered ? "kept" : "broken"});
  }

  const std::chrono::system_clock::time_point deadline_ =
      std::chrono::system_clock::now() + kPatience;
  const std::string queue_;
  const std::unique_ptr<TaskService::Stub> tasks_;
  const std::unique_ptr<RunnerService::Stub> runners_;
  Watch watch_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: scenario ADDRESS" << std::endl;
    return 1;
  }
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  try {
    Scenario(grpc::CreateCustomChannel(argv[1], grpc::InsecureChannelCredentials(), arguments))
        .Play();
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
