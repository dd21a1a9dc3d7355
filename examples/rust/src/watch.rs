//! Follows the changes of one queue: none is lost, and none comes twice.

use tokio::sync::watch;
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::Result;
use crate::retry::{PAUSE, is_unavailable};
use crate::v1::task_service_client::TaskServiceClient;
use crate::v1::{TaskChange, TaskFilter, WatchTasksRequest};

/// What a watch has brought, over all its streams.
#[derive(Clone, Default)]
pub struct Story {
    pub changes: Vec<TaskChange>,
    pub snapshots: u32,
    pub breaks: u32,
}

/// Goes on in a task of its own until the program ends.
pub struct Watch(watch::Receiver<Story>);

impl Watch {
    pub fn open(tasks: TaskServiceClient<Channel>, queue: &str) -> Self {
        let (story, told) = watch::channel(Story::default());
        let filter = TaskFilter {
            queues: vec![queue.into()],
            ..Default::default()
        };
        let request = WatchTasksRequest {
            filter: Some(filter),
            ..Default::default()
        };
        tokio::spawn(follow(tasks, request, story));
        Watch(told)
    }

    /// Waits until the story is as wanted, and returns it.
    pub async fn wait_until(&mut self, wanted: impl FnMut(&Story) -> bool) -> Result<Story> {
        Ok(self.0.wait_for(wanted).await?.clone())
    }
}

async fn follow(
    mut tasks: TaskServiceClient<Channel>,
    mut request: WatchTasksRequest,
    story: watch::Sender<Story>,
) {
    loop {
        if let Err(status) = follow_one_stream(&mut tasks, &mut request, &story).await {
            if !is_unavailable(&status) && status.code() != Code::ResourceExhausted {
                return eprintln!("the watch ended: {status}");
            }
            story.send_modify(|story| story.breaks += 1);
        }
        sleep(PAUSE).await;
    }
}

/// Begins where the stream before it broke off, for the request carries the last token.
async fn follow_one_stream(
    tasks: &mut TaskServiceClient<Channel>,
    request: &mut WatchTasksRequest,
    story: &watch::Sender<Story>,
) -> Result<(), Status> {
    let mut responses = tasks.watch_tasks(request.clone()).await?.into_inner();
    let mut held = Vec::new();
    while let Some(response) = responses.message().await? {
        held.extend(response.changes);
        // Of the messages about what was committed together, only the last moves the token.
        let moved = response.resume_token != request.resume_token;
        request.resume_token = response.resume_token;
        story.send_modify(|story| {
            story.snapshots += u32::from(response.snapshot_complete);
            if moved {
                story.changes.append(&mut held);
            }
        });
    }
    Ok(())
}
