//! Asking the service that owns the data: its admin endpoint stands in the lock file.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CliError, Exit};
use crate::lock::AdminEndpoint;

/// An erasure or a move of everything may take its time; a lost connection ends the wait at once.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// Looking at a service that lives takes no time.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);

/// The running service.
pub(super) struct Client {
    endpoint: AdminEndpoint,
    agent: ureq::Agent,
}

impl Client {
    pub(super) fn new(endpoint: AdminEndpoint) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // The endpoint is on loopback: token and records are nobody else's, a proxy's least of all.
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(PATIENCE));
        Self { endpoint, agent: config.build().into() }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let url = format!("{}{path}", self.endpoint.url);
        let request = self.agent.get(url).header("authorization", self.bearer());
        let request = request.config().timeout_global(Some(LOOK_PATIENCE)).build();
        read(request.call().map_err(gone)?)
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        let url = format!("{}{path}", self.endpoint.url);
        let request = self.agent.post(url).header("authorization", self.bearer());
        read(request.send_json(body).map_err(gone)?)
    }

    pub(super) fn post_bytes<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, CliError> {
        let url = format!("{}{path}", self.endpoint.url);
        let request = self.agent.post(url).header("authorization", self.bearer());
        read(request.send(body).map_err(gone)?)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.endpoint.token)
    }
}

fn read<T: DeserializeOwned>(mut response: ureq::http::Response<ureq::Body>) -> Result<T, CliError> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec().map_err(gone)?;
    if status == 200 {
        return serde_json::from_slice(&body)
            .map_err(|error| CliError::failed(format!("the service's answer cannot be read: {error}")));
    }
    let message = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|answer| answer["message"].as_str().map(str::to_owned))
        .unwrap_or_else(|| format!("the service answered {status}"));
    let exit = match status {
        503 => Exit::Unreachable,
        400 => Exit::Usage,
        _ => Exit::Failed,
    };
    Err(CliError::new(exit, message))
}

fn gone(error: ureq::Error) -> CliError {
    if let ureq::Error::Timeout(_) = error {
        let message =
            "the running service does not answer in time; is its process stopped, or its disk hanging?";
        return CliError::new(Exit::Busy, message);
    }
    CliError::new(Exit::Unreachable, format!("the running service went away: {error}"))
}
