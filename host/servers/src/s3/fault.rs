//! What went wrong with a call to the store, and what that means to the pipeline.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use replay_ports::PortError;

/// A server's words are cut here.
const MAX_WORDS: usize = 300;
/// A server that asks for more patience than this is asked again earlier.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A call that did not do what was asked.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// How it failed.
    pub(super) kind: FaultKind,
    /// The server's error code; empty if it gave none.
    pub(super) code: String,
    /// What was said, by the server or by the network.
    pub(super) words: String,
    /// For how long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Where the bucket is, if the server says that it is elsewhere.
    pub(super) region: Option<String>,
}

/// How a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// There are no credentials to sign with.
    NoCredentials,
    /// No connection, or it broke, or it took too long.
    Network,
    /// What answered does not speak as a store does.
    NoStore,
    /// The store answered with this status.
    Status(u16),
}

impl Fault {
    /// Of an error of the SDK's.
    pub(super) fn of<E>(error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let response = error.raw_response();
        let status = response.map(|response| response.status().as_u16());
        let header = |name: &str| response.and_then(|response| response.headers().get(name));
        let retry_after = header("retry-after").and_then(|text| text.trim().parse().ok());
        let kind = match (error, status) {
            // A redirect, or an error whose text may not read.
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), Some(status)) if status >= 300 => {
                FaultKind::Status(status)
            }
            // An error in an answer that began well, as an upload's completion has it.
            (SdkError::ServiceError(_), Some(status)) if error.code().is_some() => FaultKind::Status(status),
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), _) => FaultKind::NoStore,
            _ if lacks_credentials(error) => FaultKind::NoCredentials,
            _ => FaultKind::Network,
        };
        let words = match error.message() {
            Some(message) => message.to_owned(),
            None if kind == FaultKind::Network || kind == FaultKind::NoCredentials => innermost(error),
            None => String::new(),
        };
        Self {
            kind,
            code: tame(error.code().unwrap_or_default()),
            words: tame(&words),
            retry_after: retry_after.map(Duration::from_secs).map(|time| time.min(MAX_RETRY_AFTER)),
            region: header("x-amz-bucket-region").map(tame),
        }
    }

    /// Of a body that broke off.
    pub(super) fn of_body(words: &str) -> Self {
        let (code, retry_after, region) = Default::default();
        Self { kind: FaultKind::Network, code, words: tame(words), retry_after, region }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self.kind {
            FaultKind::Status(status) => Some(status),
            FaultKind::NoCredentials | FaultKind::Network | FaultKind::NoStore => None,
        }
    }

    /// The object is not there, and the store said so of the object: `HEAD` has no words to tell it
    /// from a bucket that is not there.
    pub(super) fn is_no_key(&self) -> bool {
        self.status() == Some(404) && matches!(self.code.as_str(), "NoSuchKey" | "NoSuchVersion")
    }

    /// There is nothing of that name; an object or its bucket.
    pub(super) fn is_absent(&self) -> bool {
        self.status() == Some(404)
    }

    /// The bucket is not there.
    pub(super) fn is_no_bucket(&self) -> bool {
        self.code == "NoSuchBucket"
    }

    /// The upload is not there: aborted, completed, or never begun.
    pub(super) fn is_no_upload(&self) -> bool {
        self.code == "NoSuchUpload"
    }

    /// The condition of a write does not hold: the object is another one, or gone, or just being
    /// written by someone else.
    pub(super) fn is_precondition(&self) -> bool {
        self.status() == Some(412)
            || self.code == "PreconditionFailed"
            || self.code == "ConditionalRequestConflict"
            || (self.status() == Some(404) && self.code == "NoSuchKey")
    }

    /// The range begins past the object's end.
    pub(super) fn is_past_the_end(&self) -> bool {
        self.status() == Some(416)
    }

    /// The store has no such call, or does not know a header of it.
    pub(super) fn is_not_there_to_ask(&self) -> bool {
        self.status() == Some(501) || matches!(self.code.as_str(), "NotImplemented" | "MethodNotAllowed")
    }

    /// The credentials are good, their rights are not.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self.code.as_str(), "AccessDenied" | "AllAccessDisabled" | "Forbidden")
            || (self.code.is_empty() && self.status() == Some(403))
    }

    /// The store does not know the credentials.
    pub(super) fn is_unknown_credentials(&self) -> bool {
        self.kind == FaultKind::NoCredentials
            || self.status() == Some(401)
            || matches!(
                self.code.as_str(),
                "InvalidAccessKeyId"
                    | "SignatureDoesNotMatch"
                    | "ExpiredToken"
                    | "InvalidToken"
                    | "TokenRefreshRequired"
                    | "InvalidSecurity"
                    | "NotSignedUp"
                    | "AccountProblem"
                    | "XAdminUserNotFound"
            )
    }

    /// The bucket is in another region than the one that was signed for.
    pub(super) fn is_elsewhere(&self) -> bool {
        let named = matches!(
            self.code.as_str(),
            "PermanentRedirect"
                | "TemporaryRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
                | "InvalidRegion"
        );
        named || matches!(self.status(), Some(301 | 307 | 308))
    }

    /// Its clock and ours do not agree.
    pub(super) fn is_skewed(&self) -> bool {
        matches!(self.code.as_str(), "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture")
    }

    /// It is this input that the store does not take.
    fn is_of_this_input(&self) -> bool {
        let named = matches!(
            self.code.as_str(),
            "EntityTooLarge"
                | "EntityTooSmall"
                | "MetadataTooLarge"
                | "KeyTooLongError"
                | "InvalidURI"
                | "InvalidObjectName"
                | "XMinioInvalidObjectName"
                | "XMinioInvalidResourceName"
        );
        named || matches!(self.status(), Some(413 | 414))
    }

    /// What it means, told for the operator. `doing` is what was tried, as "read shop/….gz".
    pub(super) fn error(&self, doing: &str, place: &str) -> PortError {
        let what = format!("cannot {doing} in {place}: {}", self.told());
        if let Some(advice) = self.advice() {
            return PortError::refused(format!("{what}; {advice}"));
        }
        if self.is_of_this_input() {
            return PortError::rejected(what);
        }
        if self.may_pass() {
            return PortError::Unavailable { what, retry_after: self.retry_after };
        }
        PortError::rejected(what)
    }

    /// It may work later, unchanged: the store is away, busy or full, or something was damaged on the way.
    fn may_pass(&self) -> bool {
        const CODES: &[&str] = &[
            "BadDigest",
            "IncompleteBody",
            "InternalError",
            "OperationAborted",
            "QuotaExceeded",
            "RequestTimeout",
            "ServiceUnavailable",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "XAmzContentSHA256Mismatch",
            "XMinioAdminBucketQuotaExceeded",
            "XMinioStorageFull",
        ];
        CODES.contains(&self.code.as_str())
            || matches!(self.kind, FaultKind::Network | FaultKind::NoStore)
            || self.status().is_some_and(|status| status >= 500 || matches!(status, 408 | 409 | 425 | 429))
    }

    /// What a person has to do; `None` if nobody has to.
    fn advice(&self) -> Option<String> {
        let advice = if self.kind == FaultKind::NoCredentials {
            "give it an access key and a secret key, or credentials where the AWS chain looks for them"
        } else if self.is_skewed() {
            "set the clock of this host or of the store right (NTP)"
        } else if self.is_unknown_credentials() {
            "check the access key and the secret key"
        } else if self.is_no_bucket() {
            "make the bucket, or name the right one"
        } else if self.is_elsewhere() {
            return Some(match &self.region {
                Some(region) => format!("the bucket is in region {region}: set `region` to it"),
                None => "the bucket is in another region: set `region` to the bucket's".to_owned(),
            });
        } else if self.is_denied() {
            "give these credentials the right to do that"
        } else if self.is_not_there_to_ask() {
            "this store lacks a call of S3 that is needed: use another, or a newer one"
        } else if self.status() == Some(403) && !self.may_pass() {
            "check the credentials and their rights"
        } else {
            return None;
        };
        Some(advice.to_owned())
    }

    /// What happened, in a few words.
    pub(super) fn told(&self) -> String {
        let cause = match self.kind {
            FaultKind::NoCredentials => "there are no credentials".to_owned(),
            FaultKind::Network => "the store does not answer".to_owned(),
            FaultKind::NoStore => "what answers there is no S3-compatible store".to_owned(),
            FaultKind::Status(status) if self.code.is_empty() => format!("status {status}"),
            FaultKind::Status(status) => format!("{} (status {status})", self.code),
        };
        if self.words.is_empty() { cause } else { format!("{cause}: {}", self.words) }
    }
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            return matches!(
                error,
                CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
            );
        }
        next = error.source();
    }
    false
}

/// The words of the first cause: the layers above it say "dispatch failure".
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// A server's words, short and on one line.
fn tame(words: &str) -> String {
    words.chars().take(MAX_WORDS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use replay_ports::Disposition;

    use super::*;

    fn fault(status: u16, code: &str) -> Fault {
        Fault { kind: FaultKind::Status(status), code: code.into(), ..Fault::of_body("words") }
    }

    #[test]
    fn each_kind_of_fault_has_its_disposition() {
        for (status, code, disposition) in [
            (500, "InternalError", Disposition::Retry),
            (503, "SlowDown", Disposition::Retry),
            (429, "", Disposition::Retry),
            (400, "RequestTimeout", Disposition::Retry),
            (400, "BadDigest", Disposition::Retry),
            (507, "XMinioStorageFull", Disposition::Retry),
            (403, "InvalidAccessKeyId", Disposition::Stop),
            (403, "SignatureDoesNotMatch", Disposition::Stop),
            (403, "AccessDenied", Disposition::Stop),
            (403, "", Disposition::Stop),
            (403, "RequestTimeTooSkewed", Disposition::Stop),
            (404, "NoSuchBucket", Disposition::Stop),
            (301, "PermanentRedirect", Disposition::Stop),
            (400, "AuthorizationHeaderMalformed", Disposition::Stop),
            (501, "NotImplemented", Disposition::Stop),
            (400, "EntityTooLarge", Disposition::DeadLetter),
            (400, "MetadataTooLarge", Disposition::DeadLetter),
            (400, "XMinioInvalidObjectName", Disposition::DeadLetter),
            (414, "", Disposition::DeadLetter),
        ] {
            let error = fault(status, code).error("write a.gz", "bucket b at http://s3");
            assert_eq!(error.disposition(), disposition, "{status} {code}");
            assert!(error.to_string().starts_with("cannot write a.gz in bucket b at http://s3: "), "{error}");
        }
        let slow = Fault { retry_after: Some(Duration::from_secs(7)), ..fault(503, "SlowDown") };
        let PortError::Unavailable { retry_after, .. } = slow.error("write a.gz", "bucket b") else {
            panic!("not unavailable")
        };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn another_region_is_named() {
        let there = Fault { region: Some("eu-west-1".into()), ..fault(301, "PermanentRedirect") };
        assert!(there.error("list", "bucket b").to_string().ends_with("set `region` to it"));
    }

    #[test]
    fn words_are_short_and_on_one_line() {
        let fault = Fault::of_body(&"a\nb".repeat(1_000));
        assert_eq!(fault.words.len(), MAX_WORDS);
        assert!(!fault.words.contains('\n'));
    }
}
