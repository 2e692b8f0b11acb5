//! The first call to a store: what it says of us, and what time it thinks it is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

use super::bucket::Bucket;
use super::fault::Fault;

/// What became of it.
pub(super) struct Contact {
    /// Whether the bucket's objects could be listed.
    pub(super) listed: Result<(), Fault>,
    /// How far the store's clock is ahead of ours, milliseconds, if the store says what time it is.
    pub(super) skew_ms: Option<i64>,
}

impl Bucket {
    pub(super) async fn contact(&self) -> Contact {
        let skew = Skew::default();
        let call = self.client.list_objects_v2().bucket(self.name()).max_keys(1);
        let listed = call.customize().interceptor(skew.clone()).send().await;
        let skew_ms = *skew.first_ms.lock().unwrap_or_else(PoisonError::into_inner);
        Contact { listed: listed.map(drop).map_err(|error| Fault::of(&error)), skew_ms }
    }
}

/// Compares the `Date` of the first answer with our clock.
#[derive(Clone, Debug, Default)]
struct Skew {
    first_ms: Arc<Mutex<Option<i64>>>,
}

impl Intercept for Skew {
    fn name(&self) -> &'static str {
        "Skew"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let mut first_ms = self.first_ms.lock().unwrap_or_else(PoisonError::into_inner);
        if first_ms.is_none() {
            *first_ms = date.and_then(|date| skew_ms(date, SystemTime::now()));
        }
        Ok(())
    }
}

/// How far an HTTP date is ahead of `now`, milliseconds.
fn skew_ms(date: &str, now: SystemTime) -> Option<i64> {
    let theirs = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?.to_millis().ok()?;
    let ours = i64::try_from(now.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    theirs.checked_sub(ours)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_compared() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(skew_ms("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(0));
        assert_eq!(skew_ms("Sun, 06 Nov 1994 08:59:37 GMT", now), Some(600_000));
        assert_eq!(skew_ms("Sun, 06 Nov 1994 07:49:37 GMT", now), Some(-3_600_000));
        assert_eq!(skew_ms("yesterday", now), None);
    }
}
