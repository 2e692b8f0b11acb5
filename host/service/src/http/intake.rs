//! `POST /v1/replay`: one chunk from the SDK. 200 only after the record is durable in the source.
//!
//! The body's fields are checked here, so that a broken SDK hears of it; what only decompression can
//! tell (base64, gzip, events) is left to the pipeline, which keeps the record as a dead letter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body_util::BodyExt;
use replay_core::codec::{Codec, CodecError, detect};
use replay_core::identity::ProjectId;
use replay_core::record::intake::{IntakeError, IntakeRecord, from_sdk, unzip_body};
use replay_core::reject::Reason;
use replay_ports::PortError;
use tokio::sync::Semaphore;

use super::{App, cors, error, error_retry};
use crate::clock::unix_ms;

/// A body that is not here by then is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Up to this a body that is not zipped becomes a record on the connection's thread, at once.
const INLINE_BYTES: usize = 256 << 10;

/// Of others so many become records at a time; each holds up to three times the largest record meanwhile.
const MAKING: usize = 2;

/// Bounds of the intake.
#[derive(Clone, Copy, Debug)]
pub struct IntakeLimits {
    /// `limits.max_record_bytes`: of a body, zipped or not.
    pub max_record_bytes: usize,
    /// `limits.max_depth`.
    pub max_depth: usize,
    /// Bytes of all bodies and records at a time.
    pub in_flight_bytes: usize,
    /// Bytes of one project's records at a time.
    pub project_bytes: usize,
}

/// The intake's books: how many bytes of requests are here.
pub struct Intake {
    limits: IntakeLimits,
    in_flight: Mutex<InFlight>,
    making: Semaphore,
}

#[derive(Default)]
struct InFlight {
    total: usize,
    projects: BTreeMap<ProjectId, usize>,
}

impl Intake {
    /// An idle intake.
    pub fn new(limits: IntakeLimits) -> Self {
        Self { limits, in_flight: Mutex::default(), making: Semaphore::new(MAKING) }
    }

    /// A request whose body announces so many bytes, if there is room for them. What is only announced takes
    /// none: it costs the sender nothing.
    fn begin(&self, announced: usize) -> Result<Ticket<'_>, Full> {
        let in_flight = self.books();
        if in_flight.total > 0 && in_flight.total + announced > self.limits.in_flight_bytes {
            return Err(Full::All);
        }
        Ok(Ticket { intake: self, project_id: None, bytes: 0 })
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

impl Ticket<'_> {
    /// So many bytes of the whole are here now, in place of those before.
    fn hold(&mut self, bytes: usize) -> Result<(), Full> {
        let mut in_flight = self.intake.books();
        let others = in_flight.total - self.bytes;
        // A single request always fits: its size has a bound of its own.
        if bytes > self.bytes && others > 0 && others + bytes > self.intake.limits.in_flight_bytes {
            return Err(Full::All);
        }
        in_flight.total = others + bytes;
        self.bytes = bytes;
        Ok(())
    }
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
    let mut room = app.intake.begin(announced.unwrap_or(0)).map_err(full)?;
    let body = read_body(request.into_body(), limits.max_record_bytes, &mut room).await?;
    let record = if body.len() > INLINE_BYTES || detect(&body) == Some(Codec::Gzip) {
        // Only unzipping tells how large the record is: until its bytes are counted few are made.
        let _turn = app.intake.making.acquire().await;
        // Reading a large body must not hold up the other connections of this thread.
        let record = tokio::task::block_in_place(|| to_record(app, body)).map_err(|error| refused(&error))?;
        room.hold(record.record.len()).map_err(full)?;
        record
    } else {
        to_record(app, body).map_err(|error| refused(&error))?
    };
    let _share = app.intake.enter(&record.project_id, record.record.len()).map_err(full)?;
    let written = app.stores.source.append(record.record.into(), unix_ms(), None).await;
    written.map(|_| axum::Json(serde_json::json!({ "ok": true })).into_response()).map_err(unwritten)
}

fn to_record(app: &App, body: BytesMut) -> Result<IntakeRecord, IntakeError> {
    let limits = app.intake.limits;
    let body = unzip_body(&body, limits.max_record_bytes)?;
    let tenants = app.tenants.get();
    from_sdk(&body, |key| tenants.by_key(key).cloned(), limits.max_depth)
}

/// Any content type is taken: beacons come as `text/plain`.
async fn read_body(body: Body, limit: usize, room: &mut Ticket<'_>) -> Result<BytesMut, Response> {
    let Ok(collected) = tokio::time::timeout(BODY_TIMEOUT, collect(body, limit, room)).await else {
        let message = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
        return Err(error(StatusCode::REQUEST_TIMEOUT, "slow_body", &message));
    };
    collected
}

/// The whole body; its bytes are counted as they come.
async fn collect(mut body: Body, limit: usize, room: &mut Ticket<'_>) -> Result<BytesMut, Response> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let early = |_| error(StatusCode::BAD_REQUEST, "unreadable_body", "the body ended early");
        // What is no data is a trailer.
        let Ok(data) = frame.map_err(early)?.into_data() else { continue };
        let bytes = whole.len() + data.len();
        if bytes > limit {
            return Err(too_large(limit));
        }
        room.hold(bytes).map_err(full)?;
        whole.extend_from_slice(&data);
    }
    Ok(whole)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn intake() -> Intake {
        let (max_record_bytes, max_depth) = (1_000, 8);
        Intake::new(IntakeLimits {
            max_record_bytes,
            max_depth,
            in_flight_bytes: 1_500,
            project_bytes: 1_000,
        })
    }

    #[test]
    fn what_is_only_announced_takes_no_room() {
        let intake = intake();
        let mut idle: Vec<Ticket<'_>> = (0..10).map(|_| intake.begin(1_000).ok().unwrap()).collect();
        let mut body = intake.begin(1_000).ok().unwrap();
        assert!(body.hold(1_000).is_ok());
        assert!(intake.begin(501).is_err() && intake.begin(500).is_ok(), "what is here does");
        assert!(idle[0].hold(500).is_ok() && idle[1].hold(1).is_err());
        drop(body);
        assert!(idle[1].hold(1_000).is_ok());
        drop(idle);
        assert_eq!(intake.books().total, 0);
    }

    #[test]
    fn a_record_counts_as_it_is_unzipped() {
        let intake = intake();
        let mut zipped: Vec<Ticket<'_>> = (0..3).map(|_| intake.begin(10).ok().unwrap()).collect();
        assert!(zipped.iter_mut().all(|ticket| ticket.hold(10).is_ok()));
        assert!(zipped[0].hold(1_000).is_ok());
        assert!(zipped[1].hold(1_000).is_err(), "it keeps what it had");
        assert_eq!(intake.books().total, 1_020);
        assert!(zipped[2].hold(0).is_ok());
    }
}
