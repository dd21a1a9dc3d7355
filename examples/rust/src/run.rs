//! A runner that holds one task at a time, over one stream.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::Result;
use crate::v1::report::Outcome;
use crate::v1::run_request::Request;
use crate::v1::run_response::Response;
use crate::v1::runner_service_client::RunnerServiceClient;
use crate::v1::{
    Claim, ExtendLeasesRequest, FinishTasksRequest, IdStatus, Lease, LeaseResult, Notice, Progress,
    Report, RunRequest, RunResponse, Subscription, finish_result,
};

const LEASE_SECONDS: i64 = 10;

/// Its methods fail if the server says anything else than what they wait for.
pub struct Run {
    requests: mpsc::Sender<RunRequest>,
    responses: Streaming<RunResponse>,
}

impl Run {
    pub async fn open(mut runners: RunnerServiceClient<Channel>, queue: &str) -> Result<Self> {
        let (requests, outgoing) = mpsc::channel(1);
        let subscription = Request::Subscription(Subscription {
            queues: vec![queue.into()],
            capacity: 1,
            lease_duration: Some(prost_types::Duration {
                seconds: LEASE_SECONDS,
                nanos: 0,
            }),
            ..Default::default()
        });
        requests.send(message(subscription)).await?;
        let responses = runners.run(ReceiverStream::new(outgoing)).await?;
        let mut run = Run {
            requests,
            responses: responses.into_inner(),
        };
        match run.next().await? {
            Some(Response::Subscription(_)) => Ok(run),
            other => unexpected(other),
        }
    }

    /// Waits to be handed a task.
    pub async fn next_claim(&mut self) -> Result<Claim> {
        match self.next().await? {
            Some(Response::Claims(mut claims)) => Ok(claims.claims.remove(0)),
            other => unexpected(other),
        }
    }

    /// Waits to be told that the task has been cancelled.
    pub async fn next_notice(&mut self) -> Result<Notice> {
        match self.next().await? {
            Some(Response::Notice(notice)) => Ok(notice),
            other => unexpected(other),
        }
    }

    /// Asks for more time, and tells how far the work is.
    pub async fn extend(&mut self, claim: &Claim, progress: Progress) -> Result<LeaseResult> {
        let lease = Lease {
            id: id_of(claim),
            lease_token: claim.lease_token.clone(),
            progress: Some(progress),
            lease_duration: None,
        };
        let leases = vec![lease];
        self.say(Request::Extend(ExtendLeasesRequest { leases }))
            .await?;
        match self.next().await? {
            Some(Response::Extend(mut extended)) => Ok(extended.results.remove(0)),
            other => unexpected(other),
        }
    }

    /// Reports how the work ended.
    pub async fn finish(&mut self, claim: &Claim, outcome: Outcome) -> Result<IdStatus> {
        let report = Report {
            id: id_of(claim),
            lease_token: claim.lease_token.clone(),
            outcome: Some(outcome),
        };
        let reports = vec![report];
        self.say(Request::Finish(FinishTasksRequest { reports }))
            .await?;
        match self.next().await? {
            Some(Response::Finish(mut finished)) => match finished.results.remove(0).result {
                Some(finish_result::Result::IdStatus(id_status)) => Ok(id_status),
                other => unexpected(other),
            },
            other => unexpected(other),
        }
    }

    /// Ends the stream.
    pub async fn close(mut self) -> Result<()> {
        drop(self.requests);
        match self.responses.message().await? {
            None => Ok(()),
            other => unexpected(other),
        }
    }

    async fn say(&self, request: Request) -> Result<()> {
        Ok(self.requests.send(message(request)).await?)
    }

    async fn next(&mut self) -> Result<Option<Response>> {
        let said = self.responses.message().await?;
        Ok(said.and_then(|message| message.response))
    }
}

fn id_of(claim: &Claim) -> String {
    claim
        .task
        .as_ref()
        .map_or_else(String::new, |task| task.id.clone())
}

fn message(request: Request) -> RunRequest {
    RunRequest {
        tag: 0,
        request: Some(request),
    }
}

fn unexpected<T>(said: impl std::fmt::Debug) -> Result<T> {
    Err(format!("Run said something else: {said:?}").into())
}
