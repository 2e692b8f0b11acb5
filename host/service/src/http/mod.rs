//! The HTTP side: intake from browsers, health and metrics for machines, and (on a loopback port of
//! its own) the commands of other processes.

mod admin;
mod auth;
mod cors;
mod health;
mod intake;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use replay_core::pipeline::Status;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::chains::Chains;
use crate::config::Tenants;
use crate::observe::{Metrics, Readiness, Reloads, readiness};
use crate::ops::Ops;
use crate::replays::Replays;
use crate::run::Handle;
use crate::stores::Stores;
use crate::swap::Swap;

pub use admin::{
    EraseRequest, FeedBackRequest, LetterRequest, MigrateRequest, ReconcileRequest, ReprocessRequest,
};
pub use auth::Tokens;
pub use intake::{Intake, IntakeLimits};

/// What all handlers share.
pub struct App {
    /// The stores.
    pub stores: Stores,
    /// The tenants.
    pub tenants: Arc<Swap<Tenants>>,
    /// Their chains.
    pub chains: Arc<Chains>,
    /// The reader of stored sessions.
    pub replays: Replays,
    /// The loop, when this process has the role `ingest`.
    pub handle: Option<Handle>,
    /// How the config on disk relates to what is in force.
    pub reloads: Arc<Reloads>,
    /// Metrics of this process.
    pub metrics: Arc<Metrics>,
    /// What the commands do.
    pub ops: Ops,
    /// Bounds and books of the intake.
    pub intake: Intake,
    /// Who may read.
    pub tokens: Tokens,
    /// Which web origins may send.
    pub allowed_origins: Vec<String>,
    /// Set once the service is stopping.
    pub draining: watch::Receiver<bool>,
    /// Told when somebody asks the service to stop.
    pub stop_requested: Arc<Notify>,
}

impl App {
    /// The pipeline's books; `None` without the role `ingest`, or when the loop does not answer.
    async fn status(&self) -> Option<Status> {
        self.handle.as_ref()?.status().await
    }

    /// Whether it is well, by these books.
    fn readiness(&self, status: Option<&Status>) -> Readiness {
        readiness(status, self.handle.is_some(), *self.draining.borrow(), &self.reloads.now())
    }
}

/// Serves the public routes until `stop` says so. `with_intake`: this process has the role `http`.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    with_intake: bool,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut router = Router::new()
        .route("/livez", get(health::live))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics));
    if with_intake {
        router = router.route("/v1/replay", post(intake::post_chunk).options(cors::preflight));
    }
    let router = router.fallback(|| async { error(StatusCode::NOT_FOUND, "not_found", "no such path") });
    axum::serve(listener, router.with_state(app)).with_graceful_shutdown(stopped(stop)).await
}

/// Serves the commands of other processes; the token stands in the lock file, readable by its owner.
pub async fn serve_admin(
    listener: TcpListener,
    app: Arc<App>,
    token: String,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let router = admin::routes(&token).with_state(app);
    axum::serve(listener, router).with_graceful_shutdown(stopped(stop)).await
}

/// Binds a listener, with a message that says what to do when it cannot.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; is another process using the port?"))
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stop.wait_for(|stopping| *stopping).await;
}

/// The one shape of an error answer: `{"error": code, "message": text}`.
fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let body = serde_json::json!({ "error": code, "message": message });
    (status, axum::Json(body)).into_response()
}

/// The same, with `Retry-After`.
fn error_retry(status: StatusCode, code: &str, message: &str, after: Duration) -> Response {
    let mut response = error(status, code, message);
    let seconds = after.as_secs().max(1);
    response.headers_mut().insert(axum::http::header::RETRY_AFTER, seconds.into());
    response
}
