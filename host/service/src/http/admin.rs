//! The admin endpoint: loopback only, with the token of the lock file. Other processes' commands ask
//! here, because only one process may own embedded files.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use replay_core::dead_letter::LetterId;
use replay_core::identity::{ProjectId, SessionId, SessionKey};
use replay_core::reject::Reason;
use replay_core::tombstone::EraseScope;
use replay_ports::{LetterFilter, PortError};
use serde::{Deserialize, Serialize};

use super::auth::Tokens;
use super::{App, error};
use crate::ops::{FeedBack, ReprocessScope};

/// Bytes of one admin request: a page of records to ingest.
const MAX_BODY_BYTES: usize = 128 << 20;

pub(super) fn routes(token: &str) -> Router<Arc<App>> {
    let tokens = Tokens::parse(token);
    let guard = middleware::from_fn(move |request: Request, next: Next| {
        let allowed = !tokens.is_empty() && tokens.allow(request.headers());
        async move {
            if allowed {
                next.run(request).await
            } else {
                error(StatusCode::UNAUTHORIZED, "unauthorized", "the lock file's token is needed")
            }
        }
    });
    Router::new()
        .route("/status", get(status))
        .route("/plugins", get(plugins))
        .route("/retention", get(retention))
        .route("/ingest", post(ingest))
        .route("/erase", post(erase))
        .route("/migrate", post(migrate))
        .route("/letter-payload", post(letter_payload))
        .route("/stop", post(stop))
        .route("/reconcile", post(reconcile))
        .route("/feed-back", post(feed_back))
        .route("/reprocess", post(reprocess))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(guard)
}

async fn status(State(app): State<Arc<App>>) -> Response {
    let status = app.status().await;
    let readiness = app.readiness(status.as_ref());
    let end_offsets = app.stores.source.end_offsets();
    let mut report =
        crate::status::report(status.as_ref(), readiness, &end_offsets, &app.metrics.lifecycle());
    report.config_refused = app.reloads.refusal();
    axum::Json(report).into_response()
}

/// What `/plugins` takes, in its address.
#[derive(Debug, Deserialize)]
struct PluginsRequest {
    /// Only this tenant; `defaults`, or a project.
    project: Option<String>,
}

/// A list of [`crate::chains::TenantReport`]; one, whatever chain it has, if a tenant is named.
async fn plugins(State(app): State<Arc<App>>, Query(request): Query<PluginsRequest>) -> Response {
    match request.project.as_deref().map(ProjectId::new) {
        None => axum::Json(app.chains.reports()).into_response(),
        Some(Some(project)) => axum::Json(vec![app.chains.report_of(&project)]).into_response(),
        Some(None) => error(StatusCode::BAD_REQUEST, "bad_request", "not a project id"),
    }
}

/// A [`crate::lifecycle::PolicyReport`].
async fn retention(State(app): State<Arc<App>>) -> Response {
    axum::Json(app.ops.retention()).into_response()
}

async fn ingest(State(app): State<Arc<App>>, body: Bytes) -> Response {
    answer(app.ops.ingest(&body).await)
}

/// What `/erase` takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct EraseRequest {
    /// The tenant.
    pub project_id: String,
    /// The visit; without it the whole project.
    pub session_id: Option<String>,
    /// Who asks.
    pub actor: String,
}

impl EraseRequest {
    /// What it names, if it names anything.
    pub fn scope(&self) -> Option<EraseScope> {
        let project_id = ProjectId::new(&self.project_id)?;
        Some(match &self.session_id {
            Some(text) => EraseScope::Session(SessionKey { project_id, session_id: SessionId::parse(text)? }),
            None => EraseScope::Project(project_id),
        })
    }
}

async fn erase(State(app): State<Arc<App>>, axum::Json(request): axum::Json<EraseRequest>) -> Response {
    match request.scope() {
        Some(scope) => answer(app.ops.erase(scope, &request.actor).await),
        None => error(StatusCode::BAD_REQUEST, "bad_request", "not a project id, or not a session id"),
    }
}

/// What `/migrate` takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct MigrateRequest {
    /// Only this session, whatever its age: `project/session`.
    pub session: Option<String>,
}

async fn migrate(State(app): State<Arc<App>>, axum::Json(request): axum::Json<MigrateRequest>) -> Response {
    match request.session.as_deref().map(SessionKey::parse) {
        None => answer(app.ops.migrate().await),
        Some(Some(session)) => answer(app.ops.migrate_session(session).await),
        Some(None) => error(StatusCode::BAD_REQUEST, "bad_request", "not project/session"),
    }
}

/// What `/letter-payload` takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct LetterRequest {
    /// `topic/partition/offset`.
    pub id: String,
}

/// The original record of a letter; 404 when neither letter nor source has it.
async fn letter_payload(
    State(app): State<Arc<App>>,
    axum::Json(request): axum::Json<LetterRequest>,
) -> Response {
    let Some(id) = LetterId::parse(&request.id) else {
        return error(StatusCode::BAD_REQUEST, "bad_request", "not topic/partition/offset");
    };
    match app.ops.original(&id).await {
        Ok(original) => answer(Ok(original.map(|payload| payload.to_vec()))),
        Err(failed) => answer::<()>(Err(failed)),
    }
}

async fn stop(State(app): State<Arc<App>>) -> Response {
    app.stop_requested.notify_one();
    answer(Ok(true))
}

/// What `/reconcile` takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReconcileRequest {
    /// Mend what is found.
    pub repair: bool,
    /// Leave objects alone that are younger than this, milliseconds.
    pub grace_ms: u64,
}

async fn reconcile(
    State(app): State<Arc<App>>,
    axum::Json(request): axum::Json<ReconcileRequest>,
) -> Response {
    answer(app.ops.reconcile(request.repair, request.grace_ms).await)
}

/// What `/feed-back` takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct FeedBackRequest {
    /// Only this one, by its id; what else is asked for does not count then.
    #[serde(default)]
    pub letter: Option<String>,
    /// Only this reason.
    pub reason: Option<String>,
    /// Only this project.
    pub project_id: Option<String>,
    /// Only letters that died at or after this, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Also those tried more than three times.
    pub force: bool,
}

impl FeedBackRequest {
    /// The same, typed.
    pub fn parse(&self) -> Option<FeedBack> {
        let reason = match &self.reason {
            Some(name) => Some(Reason::from_name(name)?),
            None => None,
        };
        let project_id = match &self.project_id {
            Some(text) => Some(ProjectId::new(text)?),
            None => None,
        };
        let letter = match &self.letter {
            Some(text) => Some(LetterId::parse(text)?),
            None => None,
        };
        let filter = LetterFilter { reason, project_id, since_ms: self.since_ms };
        Some(FeedBack { letter, filter, limit: self.limit, dry_run: self.dry_run, force: self.force })
    }
}

async fn feed_back(
    State(app): State<Arc<App>>,
    axum::Json(request): axum::Json<FeedBackRequest>,
) -> Response {
    match request.parse() {
        Some(request) => answer(app.ops.feed_back(&request).await),
        None => error(StatusCode::BAD_REQUEST, "bad_request", "not a letter's id, a reason, or a project id"),
    }
}

/// What `/reprocess` takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReprocessRequest {
    /// The tenant.
    pub project_id: String,
    /// The visit; without it those of the project.
    pub session_id: Option<String>,
    /// Only sessions still active at or after this, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Only sessions begun before this, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl ReprocessRequest {
    /// What it names, if it names anything.
    pub fn scope(&self) -> Option<ReprocessScope> {
        let project_id = ProjectId::new(&self.project_id)?;
        Some(match &self.session_id {
            Some(text) => {
                ReprocessScope::Session(SessionKey { project_id, session_id: SessionId::parse(text)? })
            }
            None => ReprocessScope::Project { project_id, since_ms: self.since_ms, until_ms: self.until_ms },
        })
    }
}

async fn reprocess(
    State(app): State<Arc<App>>,
    axum::Json(request): axum::Json<ReprocessRequest>,
) -> Response {
    match request.scope() {
        Some(scope) => answer(app.ops.reprocess(&app.chains, &app.replays, scope, request.dry_run).await),
        None => error(StatusCode::BAD_REQUEST, "bad_request", "not a project id, or not a session id"),
    }
}

fn answer<T: Serialize>(result: Result<T, PortError>) -> Response {
    match result {
        Ok(report) => axum::Json(report).into_response(),
        Err(failed) => {
            let (status, code) = match &failed {
                PortError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
                PortError::Rejected { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "rejected"),
                PortError::Refused { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "refused"),
                PortError::Stale { .. } => (StatusCode::CONFLICT, "stale"),
            };
            error(status, code, &failed.to_string())
        }
    }
}
