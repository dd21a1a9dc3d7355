//! Plays ../scenario.md against the server at the address given.

mod retry;
mod run;
mod watch;

/// The contract, as the build made it from the protos.
pub mod v1 {
    tonic::include_proto!("idstatus.v1");
}

use std::borrow::Cow;
use std::error::Error;
use std::iter::repeat_with;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use crate::retry::{PAUSE, is_unavailable};
use crate::run::Run;
use crate::v1::report::Outcome;
use crate::v1::runner_service_client::RunnerServiceClient;
use crate::v1::task_change::Type;
use crate::v1::task_service_client::TaskServiceClient;
use crate::v1::{
    CancelTaskRequest, CreateTaskRequest, GetTaskRequest, Progress, Status, Stopped, Success, Task,
};
use crate::watch::{Story, Watch};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: scenario ADDRESS");
        return ExitCode::FAILURE;
    };
    match timeout(PATIENCE, play(address)).await {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => eprintln!("{error}"),
        Err(_) => eprintln!("gave up"),
    }
    ExitCode::FAILURE
}

async fn play(address: String) -> Result<()> {
    let channel = Endpoint::try_from(format!("http://{address}"))?.connect_lazy();
    let tasks = TaskServiceClient::new(channel.clone());
    let queue = format!("scenario-{}", random_letters());
    let watch = Watch::open(tasks.clone(), &queue);
    Scenario {
        channel,
        tasks,
        queue,
        watch,
    }
    .play()
    .await
}

struct Scenario {
    channel: Channel,
    tasks: TaskServiceClient<Channel>,
    queue: String,
    watch: Watch,
}

impl Scenario {
    async fn play(mut self) -> Result<()> {
        let story = self.watch.wait_until(|story| story.snapshots > 0).await?;
        let there = if story.changes.is_empty() {
            "nothing there yet"
        } else {
            "something there"
        };
        tell("watch", "open, nothing there yet", &["open", there])?;
        let first = self.create_twice().await?;
        let mut run =
            Run::open(RunnerServiceClient::new(self.channel.clone()), &self.queue).await?;
        self.succeed(&mut run, &first).await?;
        let second = self.cancel(&mut run).await?;
        self.cancel_too_late(&first).await?;
        run.close().await?;
        let third = self.restart(&second).await?;
        self.tell_story(&[first, second, third]).await
    }

    async fn create_twice(&mut self) -> Result<String> {
        let request = self.new_task("hello");
        let task = self.create(&request).await?;
        let same = self.create(&request).await? == task;
        let count = if same { "one task" } else { "two tasks" };
        let status = short(task.status().as_str_name());
        tell("create", "one task, QUEUED", &[count, status])?;
        Ok(task.id)
    }

    async fn succeed(&mut self, run: &mut Run, id: &str) -> Result<()> {
        let claim = run.next_claim().await?;
        let claimed = claim.task.clone().unwrap_or_default();
        tell("claim", "hello", &[&text(&claimed.payload)])?;

        let progress = Progress {
            fraction: 0.5,
            message: "half way".into(),
        };
        let extended = run.extend(&claim, progress).await?;
        tell(
            "extend",
            "EXTENDED",
            &[short(extended.state().as_str_name())],
        )?;

        let success = Success {
            result: "HELLO".into(),
        };
        let finished = run.finish(&claim, Outcome::Success(success)).await?;
        tell(
            "finish",
            "SUCCESS",
            &[short(finished.status().as_str_name())],
        )?;

        let request = GetTaskRequest {
            id: id.into(),
            ..Default::default()
        };
        let got = self.tasks.get_task(request).await?.into_inner();
        let task = got.task.unwrap_or_default();
        let status = short(task.status().as_str_name());
        let execution = short(task.execution().as_str_name());
        tell(
            "get",
            "SUCCESS, ENDED, HELLO",
            &[status, execution, &text(&task.result)],
        )
    }

    async fn cancel(&mut self, run: &mut Run) -> Result<String> {
        let request = self.new_task("forever");
        let id = self.create(&request).await?.id;
        let claim = run.next_claim().await?;
        let claimed = claim.task.clone().unwrap_or_default();
        tell("claim", "forever", &[&text(&claimed.payload)])?;

        let request = CancelTaskRequest {
            id: id.clone(),
            message: "not today".into(),
            ..Default::default()
        };
        let cancelled = self.tasks.cancel_task(request).await?.into_inner();
        let now = cancelled.id_status.unwrap_or_default();
        let status = short(now.status().as_str_name());
        let reason = short(now.reason().as_str_name());
        let execution = short(now.execution().as_str_name());
        let expected = "CANCELLED, CLIENT_REQUEST, MAY_BE_RUNNING";
        tell("cancel", expected, &[status, reason, execution])?;

        let notice = run.next_notice().await?;
        let now = notice.id_status.unwrap_or_default();
        let status = short(now.status().as_str_name());
        tell("notice", "CANCELLED, not today", &[status, &notice.message])?;

        let stopped = run.finish(&claim, Outcome::Stopped(Stopped {})).await?;
        let status = short(stopped.status().as_str_name());
        let execution = short(stopped.execution().as_str_name());
        tell("stopped", "CANCELLED, ENDED", &[status, execution])?;
        Ok(id)
    }

    async fn cancel_too_late(&mut self, id: &str) -> Result<()> {
        let request = CancelTaskRequest {
            id: id.into(),
            ..Default::default()
        };
        let Err(status) = self.tasks.cancel_task(request).await else {
            return Err("a finished task was cancelled".into());
        };
        let info = status
            .get_details_error_info()
            .ok_or("an error without ErrorInfo")?;
        let is_precondition = status.code() == Code::FailedPrecondition;
        let code = if is_precondition {
            "FAILED_PRECONDITION"
        } else {
            status.message()
        };
        let expected = "FAILED_PRECONDITION, TASK_FINISHED, idstatus";
        tell("refused", expected, &[code, &info.reason, &info.domain])
    }

    async fn restart(&mut self, cancelled: &str) -> Result<String> {
        let is_heard = |story: &Story| holds(story, cancelled, Status::Cancelled);
        self.watch.wait_until(is_heard).await?;
        println!("restart the server");

        self.watch.wait_until(|story| story.breaks > 0).await?;

        let request = self.new_task("later");
        let id = self.create_when_possible(&request).await?.id;
        println!("create: after the restart");

        let is_heard = |story: &Story| holds(story, &id, Status::Queued);
        let again = match self.watch.wait_until(is_heard).await?.snapshots {
            1 => "without another snapshot",
            _ => "with another snapshot",
        };
        tell("resumed", "without another snapshot", &[again])?;
        Ok(id)
    }

    async fn tell_story(&mut self, ids: &[String]) -> Result<()> {
        let mut transitions = Vec::new();
        let mut revision = 0;
        let mut order = "kept";
        for change in self.watch.wait_until(|_| true).await?.changes {
            let now = change.id_status.clone().unwrap_or_default();
            if now.revision <= revision || change.r#type() == Type::Snapshot {
                order = "broken";
            }
            revision = now.revision;
            if change.r#type() == Type::Transition {
                let number = ids.iter().take_while(|id| **id != now.id).count() + 1;
                transitions.push(format!("{number} {}", short(now.status().as_str_name())));
            }
        }
        let expected = "1 QUEUED, 1 RUNNING, 1 SUCCESS, 2 QUEUED, 2 RUNNING, 2 CANCELLED, 3 QUEUED";
        tell("saw", expected, &transitions)?;
        tell("order", "kept", &[order])
    }

    fn new_task(&self, payload: &str) -> CreateTaskRequest {
        CreateTaskRequest {
            queue: self.queue.clone(),
            payload: payload.into(),
            request_id: random_letters(),
            ..Default::default()
        }
    }

    async fn create(&mut self, request: &CreateTaskRequest) -> Result<Task, tonic::Status> {
        let created = self.tasks.create_task(request.clone()).await?.into_inner();
        Ok(created.task.unwrap_or_default())
    }

    /// Safe to repeat: the request id makes it one task.
    async fn create_when_possible(&mut self, request: &CreateTaskRequest) -> Result<Task> {
        loop {
            match self.create(request).await {
                Err(status) if is_unavailable(&status) => sleep(PAUSE).await,
                answer => return Ok(answer?),
            }
        }
    }
}

/// Prints what came, if it is as it should be.
fn tell(about: &str, expected: &str, came: &[impl AsRef<str>]) -> Result<()> {
    let words: Vec<&str> = came.iter().map(AsRef::as_ref).collect();
    let joined = words.join(", ");
    if joined != expected {
        return Err(format!("{about}: {joined}; should be: {expected}").into());
    }
    println!("{about}: {expected}");
    Ok(())
}

fn holds(story: &Story, id: &str, status: Status) -> bool {
    story.changes.iter().any(|change| {
        let now = change.id_status.as_ref();
        change.r#type() == Type::Transition
            && now.is_some_and(|now| now.id == id && now.status() == status)
    })
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Returns QUEUED for STATUS_QUEUED.
fn short(name: &str) -> &str {
    name.split_once('_').map_or(name, |(_, short)| short)
}

fn random_letters() -> String {
    repeat_with(fastrand::lowercase).take(12).collect()
}
