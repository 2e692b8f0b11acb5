//! `POST /v1/replay`: one chunk from the SDK. 200 only after the record is durable in the source.
//!
//! The body's fields are checked here, so that a broken SDK hears of it; what only decompression can
//! tell (base64, gzip, events) is left to the pipeline, which keeps the record as a dead letter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use replay_core::codec::CodecError;
use replay_core::identity::ProjectId;
use replay_core::record::intake::{IntakeError, IntakeRecord, from_sdk, unzip_body};
use replay_core::reject::Reason;
use replay_ports::PortError;

use super::{App, cors, error, error_retry};
use crate::clock::unix_ms;

/// A body that is not here by then is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Up to this a body is read on the connection's thread.
const INLINE_BYTES: usize = 256 << 10;

/// Bounds of the intake.
#[derive(Clone, Copy, Debug)]
pub struct IntakeLimits {
    /// `limits.max_record_bytes`: of a body, zipped or not.
    pub max_record_bytes: usize,
    /// `limits.max_depth`.
    pub max_depth: usize,
    /// Bytes of all bodies at a time, by what they announce.
    pub in_flight_bytes: usize,
    /// Bytes of one project's records at a time.
    pub project_bytes: usize,
}

/// The intake's books: how many bytes of requests are here.
pub struct Intake {
    limits: IntakeLimits,
    in_flight: Mutex<InFlight>,
}

#[derive(Default)]
struct InFlight {
    total: usize,
    projects: BTreeMap<ProjectId, usize>,
}

impl Intake {
    /// An idle intake.
    pub fn new(limits: IntakeLimits) -> Self {
        Self { limits, in_flight: Mutex::default() }
    }

    /// Room for a body before a byte of it is read.
    fn reserve(&self, bytes: usize) -> Result<Ticket<'_>, Full> {
        let mut in_flight = self.books();
        // A single request always fits: its size has a bound of its own.
        if in_flight.total > 0 && in_flight.total + bytes > self.limits.in_flight_bytes {
            return Err(Full::All);
        }
        in_flight.total += bytes;
        Ok(Ticket { intake: self, project_id: None, bytes })
    }

    /// Room for a record within its project's share.
    fn enter(&self, project_id: &ProjectId, bytes: usize) -> Result<Ticket<'_>, Full> {
        let mut in_flight = self.books();
        let held = in_flight.projects.entry(project_id.clone()).or_default();
        if *held > 0 && *held + bytes > self.limits.project_bytes {
            return Err(Full::Project);
        }
        *held += bytes;
        Ok(Ticket { intake: self, project_id: Some(project_id.clone()), bytes })
    }

    fn books(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Full {
    Project,
    All,
}

/// Held while a request is here.
struct Ticket<'a> {
    intake: &'a Intake,
    /// Of a project's share; else of the whole.
    project_id: Option<ProjectId>,
    bytes: usize,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.intake.books();
        let Some(project_id) = &self.project_id else {
            in_flight.total -= self.bytes;
            return;
        };
        if let Some(held) = in_flight.projects.get_mut(project_id) {
            *held -= self.bytes;
            if *held == 0 {
                in_flight.projects.remove(project_id);
            }
        }
    }
}

pub(super) async fn post_chunk(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let response = if cors::may_send(&app, &headers) {
        accept(&app, request).await.unwrap_or_else(|refused| refused)
    } else {
        let message = "pages of this origin may not send; see api.allowed_origins";
        error(StatusCode::FORBIDDEN, "origin_not_allowed", message)
    };
    app.metrics.intake_answered(response.status().as_u16());
    cors::expose(&app, &headers, response)
}

async fn accept(app: &Arc<App>, request: Request) -> Result<Response, Response> {
    if *app.draining.borrow() {
        let message = "the service is stopping; send again";
        return Err(error_retry(
            StatusCode::SERVICE_UNAVAILABLE,
            "draining",
            message,
            Duration::from_secs(5),
        ));
    }
    let limits = app.intake.limits;
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: usize| bytes > limits.max_record_bytes) {
        return Err(too_large(limits.max_record_bytes));
    }
    let _room = app.intake.reserve(announced.unwrap_or(limits.max_record_bytes)).map_err(full)?;
    let body = read_body(request, limits.max_record_bytes).await?;
    let record = if body.len() > INLINE_BYTES {
        // Reading a large body must not hold up the other connections of this thread.
        tokio::task::block_in_place(|| to_record(app, &body))
    } else {
        to_record(app, &body)
    };
    let record = record.map_err(|error| refused(&error))?;
    let _share = app.intake.enter(&record.project_id, record.record.len()).map_err(full)?;
    let written = app.stores.source.append(record.record.into(), unix_ms(), None).await;
    written.map(|_| axum::Json(serde_json::json!({ "ok": true })).into_response()).map_err(unwritten)
}

fn to_record(app: &App, body: &[u8]) -> Result<IntakeRecord, IntakeError> {
    let limits = app.intake.limits;
    let body = unzip_body(body, limits.max_record_bytes)?;
    let tenants = app.tenants.get();
    from_sdk(&body, |key| tenants.by_key(key).cloned(), limits.max_depth)
}

/// Any content type is taken: beacons come as `text/plain`.
async fn read_body(request: Request, limit: usize) -> Result<Bytes, Response> {
    let limited = http_body_util::Limited::new(request.into_body(), limit);
    let collected = http_body_util::BodyExt::collect(limited);
    match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(why)) if why.is::<http_body_util::LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(_)) => Err(error(StatusCode::BAD_REQUEST, "unreadable_body", "the body ended early")),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
            Err(error(StatusCode::REQUEST_TIMEOUT, "slow_body", &message))
        }
    }
}

fn too_large(limit: usize) -> Response {
    let message = format!("the body is over limits.max_record_bytes = {limit} bytes");
    error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message)
}

fn refused(why: &IntakeError) -> Response {
    let (status, code) = match why {
        IntakeError::UnknownKey => (StatusCode::UNAUTHORIZED, "unknown_project_key"),
        IntakeError::MissingKey => (StatusCode::BAD_REQUEST, "missing_project_key"),
        IntakeError::InvalidJson(_) => (StatusCode::BAD_REQUEST, Reason::InvalidJson.as_str()),
        IntakeError::Field(reject) => (StatusCode::BAD_REQUEST, reject.reason.as_str()),
        IntakeError::Compression(CodecError::Bomb { .. }) => {
            (StatusCode::PAYLOAD_TOO_LARGE, Reason::TooLarge.as_str())
        }
        IntakeError::Compression(CodecError::Damaged { .. } | CodecError::Encoder { .. }) => {
            (StatusCode::BAD_REQUEST, Reason::InvalidCompression.as_str())
        }
    };
    error(status, code, &why.to_string())
}

fn full(full: Full) -> Response {
    let after = Duration::from_secs(1);
    match full {
        Full::Project => error_retry(
            StatusCode::TOO_MANY_REQUESTS,
            "project_share",
            "this project has more requests under way than its share",
            after,
        ),
        Full::All => error_retry(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "too many requests are under way",
            after,
        ),
    }
}

fn unwritten(why: PortError) -> Response {
    match why {
        PortError::Rejected { what } => error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &what),
        PortError::Unavailable { what, retry_after } => {
            // The source says it once in the log; here it would be a line for each request.
            tracing::debug!(what, "a record could not be written to the source");
            let after = retry_after.unwrap_or(Duration::from_secs(5));
            let message = "the record could not be stored; send it again";
            error_retry(StatusCode::SERVICE_UNAVAILABLE, "source_unavailable", message, after)
        }
        PortError::Refused { what } | PortError::Stale { what } => {
            tracing::debug!(what, "the source refuses a record");
            let message = "the record could not be stored; send it again";
            let after = Duration::from_secs(30);
            error_retry(StatusCode::SERVICE_UNAVAILABLE, "source_refuses", message, after)
        }
    }
}
