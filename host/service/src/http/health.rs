//! `/livez`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use serde::Serialize;

use super::{App, error};
use crate::observe::Readiness;
use crate::status::{Partition, partitions};

/// What `/readyz` answers: the checks, and how far behind each partition is.
#[derive(Serialize)]
struct Ready {
    #[serde(flatten)]
    readiness: Readiness,
    partitions: Vec<Partition>,
}

/// The loop turned lately; asks no server.
pub(super) async fn live(State(app): State<Arc<App>>) -> Response {
    if app.handle.as_ref().is_none_or(crate::run::Handle::is_live) {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "the loop has not turned for 10 s\n").into_response()
}

pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let status = app.status().await;
    let readiness = app.readiness(status.as_ref());
    let code = if readiness.status == "unready" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let partitions = partitions(&status.unwrap_or_default(), &app.stores.source.end_offsets());
    (code, axum::Json(Ready { readiness, partitions })).into_response()
}

pub(super) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if !app.tokens.allow(&headers) {
        return error(StatusCode::UNAUTHORIZED, "unauthorized", "a bearer token is needed");
    }
    let status = app.status().await;
    let text = app.metrics.render(
        status.as_ref(),
        &app.stores.source.end_offsets(),
        &app.chains.totals(),
        &app.reloads.now(),
        &app.chains.shadow_totals(),
    );
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
