//! When to try again.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};

pub const PAUSE: Duration = Duration::from_millis(200);

/// Tells whether a call or a stream ended because the server was out of reach.
///
/// tonic says UNKNOWN of a connection that breaks off. But such a status has a source, and one
/// that the server sent has none.
pub fn is_unavailable(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::Unknown => status.source().is_some(),
        _ => false,
    }
}
