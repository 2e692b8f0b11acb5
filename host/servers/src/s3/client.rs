//! The SDK's client: where it connects, how it signs, how long it waits, how often it tries.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::InterceptorContext;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient, StalledStreamProtectionConfig,
};

use super::settings::S3Settings;

/// The first wait between two attempts.
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);

/// A client for these settings.
pub(super) async fn client(settings: &S3Settings) -> Client {
    let mut config = base(settings).await.behavior_version(BehaviorVersion::latest());
    config.set_http_client(Some(http_client()));
    config = config
        .timeout_config(timeouts(settings, settings.answer_timeout))
        // Attempt timeouts and the reader's own idle timeout do this.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_classifier(InTheWay)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(settings.attempts)
                .with_initial_backoff(FIRST_BACK_OFF.min(settings.max_back_off))
                .with_max_backoff(settings.max_back_off),
        );
    if let Some(url) = &settings.url {
        // Several stores refuse the trailers that carry the checksums of newer SDKs; we keep our own.
        config = config
            .endpoint_url(url)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    Client::from_conf(config.build())
}

/// How long a call may take when one attempt takes `attempt` at most.
pub(super) fn timeouts(settings: &S3Settings, attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .operation_attempt_timeout(attempt)
        .operation_timeout((attempt + settings.max_back_off) * settings.attempts)
        .build()
}

/// Connections to the store. Without TLS it speaks plain HTTP only.
pub(super) fn http_client() -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    #[cfg(feature = "tls")]
    {
        use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    }
    #[cfg(not(feature = "tls"))]
    builder.build_http()
}

/// Adds to what the SDK tries again: too many requests, and a conflict with another call. Of conflicts
/// there are more than S3's own: a store on a file system may find that a deletion just took the folder
/// that a write needs. A condition that no longer holds is told at the next attempt.
#[derive(Debug)]
struct InTheWay;

impl ClassifyRetry for InTheWay {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().map(|response| response.status().as_u16()) {
            Some(409) => RetryAction::transient_error(),
            Some(429) => RetryAction::throttling_error(),
            Some(_) | None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "InTheWay"
    }
}

/// Region and credentials: our own, or those of the AWS chain.
async fn base(settings: &S3Settings) -> Builder {
    let region = match (&settings.region, &settings.url) {
        (Some(region), _) => Some(region.clone()),
        (None, Some(_)) => Some("us-east-1".to_owned()),
        (None, None) => None,
    };
    let region = region.map(Region::new);
    let keys = settings.credentials.as_ref().map(|(access_key, secret_key)| {
        Credentials::new(access_key.clone(), secret_key.clone(), None, None, "config")
    });
    if let (Some(region), Some(keys)) = (&region, &keys) {
        return Builder::new().region(region.clone()).credentials_provider(keys.clone());
    }
    let mut chain = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    if let Some(region) = region {
        chain = chain.region(region);
    }
    if let Some(keys) = keys {
        chain = chain.credentials_provider(keys);
    }
    Builder::from(&chain.load().await)
}
