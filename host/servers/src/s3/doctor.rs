//! What `doctor` looks at, from the address to the last right, each with what to do about it.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, MfaDeleteStatus};
use uuid::Uuid;

use super::bucket::Bucket;
use super::contact::Contact;
use super::fault::{Fault, FaultKind};
use super::probe::SCRATCH;
use super::settings::S3Settings;
use crate::Finding;

/// A clock that is further off than this is worth a word, milliseconds.
const TOLERATED_SKEW_MS: i64 = 60_000;
const CLOCK_ADVICE: &str = "set the clock of this host and of the store right (NTP)";

type Faulty<T> = Result<T, Fault>;

/// Looks at everything that the cold store needs. Writes, reads and deletes a scratch object.
pub async fn examine(settings: &S3Settings) -> Vec<Finding> {
    let bucket = match settings.check() {
        Ok(()) => Bucket::new(settings).await.map_err(|error| error.to_string()),
        Err(what) => Err(what),
    };
    let bucket = match bucket {
        Ok(bucket) => Arc::new(bucket),
        Err(what) => {
            return vec![Finding::wrong("s3 settings", what, "correct the section of the cold store")];
        }
    };
    let mut findings = vec![Finding::fine("s3 settings", bucket.place.clone())];
    let contact = bucket.contact().await;
    let may_go_on = findings_of_contact(&bucket, &contact, &mut findings);
    if may_go_on {
        let key = format!("{SCRATCH}{}", Uuid::new_v4());
        let may_write = examine_rights(&bucket, &key, &mut findings).await;
        findings.push(examine_versioning(&bucket).await);
        if may_write {
            findings.push(examine_conditions(&bucket).await);
        }
    }
    findings
}

/// What the first call says. Whether more can be found out.
fn findings_of_contact(bucket: &Bucket, contact: &Contact, findings: &mut Vec<Finding>) -> bool {
    let place = &bucket.place;
    let fault = contact.listed.as_ref().err();
    match fault.map(|fault| fault.kind) {
        Some(FaultKind::Network) => {
            let told = fault.map(Fault::told).unwrap_or_default();
            findings.push(Finding::unreachable(
                "s3 address",
                format!("{place}: {told}"),
                "check the url, that the store runs, and what lies between (DNS, firewall, proxy)",
            ));
            return false;
        }
        Some(FaultKind::NoStore) => {
            findings.push(Finding::wrong(
                "s3 address",
                format!("what answers at {place} is no S3-compatible store"),
                "the url has to be that of the S3 API; a console often has a port of its own",
            ));
            return false;
        }
        Some(FaultKind::NoCredentials | FaultKind::Status(_)) | None => {}
    }
    if !matches!(fault.map(|fault| fault.kind), Some(FaultKind::NoCredentials)) {
        findings.push(Finding::fine("s3 address", format!("{place} answers")));
        findings.push(finding_of_clock(contact, fault.is_some_and(Fault::is_skewed)));
    }
    let Some(fault) = fault else {
        findings.push(Finding::fine("s3 credentials", "the store knows them"));
        findings.push(Finding::fine("s3 bucket", "it is there"));
        findings.push(Finding::fine("s3 region", bucket.region()));
        findings.push(Finding::fine("s3 list", "allowed"));
        return true;
    };
    if fault.is_skewed() {
        return false;
    }
    if fault.is_unknown_credentials() {
        findings.push(Finding::wrong("s3 credentials", fault.told(), credentials_advice(bucket, fault)));
        return false;
    }
    if fault.is_elsewhere() {
        findings.push(Finding::wrong("s3 region", fault.told(), region_advice(bucket, fault)));
        return false;
    }
    findings.push(Finding::fine("s3 credentials", "the store knows them"));
    if fault.is_no_bucket() {
        let detail = format!("there is no bucket {}", bucket.name());
        findings.push(match bucket.settings.create_bucket {
            true => Finding::warning("s3 bucket", detail, "nothing: the service makes it when it starts"),
            false => {
                Finding::wrong("s3 bucket", detail, "make it, or allow the service to, or name the right one")
            }
        });
        return false;
    }
    findings.push(wrong_right("s3 list", "s3:ListBucket", fault));
    fault.is_denied()
}

fn finding_of_clock(contact: &Contact, refused: bool) -> Finding {
    const CHECK: &str = "s3 clock";
    let Some(skew_ms) = contact.skew_ms else {
        return match refused {
            true => Finding::wrong(CHECK, "the store refuses our time", CLOCK_ADVICE),
            false => Finding::warning(CHECK, "the store does not say what time it is", CLOCK_ADVICE),
        };
    };
    let seconds = skew_ms.unsigned_abs() / 1000;
    let direction = if skew_ms > 0 { "ahead of" } else { "behind" };
    let detail = format!("the store's clock is {seconds} s {direction} this host's");
    if refused {
        return Finding::wrong(CHECK, format!("{detail}, and it refuses our time"), CLOCK_ADVICE);
    }
    if skew_ms.abs() > TOLERATED_SKEW_MS {
        return Finding::warning(CHECK, detail, format!("{CLOCK_ADVICE}: signatures hold for minutes only"));
    }
    Finding::fine(CHECK, format!("within {} s", TOLERATED_SKEW_MS / 1000))
}

fn credentials_advice(bucket: &Bucket, fault: &Fault) -> &'static str {
    if fault.kind == FaultKind::NoCredentials {
        return "give an access key and a secret key, or credentials where the AWS chain looks for them";
    }
    match (bucket.settings.credentials.is_some(), fault.code.as_str()) {
        (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => "renew the session's credentials",
        (true, "SignatureDoesNotMatch") => {
            "the access key is known, the secret key is not its own: correct it"
        }
        (true, _) => "correct the access key and the secret key",
        (false, _) => "the AWS chain found credentials that this store does not know: name others",
    }
}

fn region_advice(bucket: &Bucket, fault: &Fault) -> String {
    match &fault.region {
        Some(region) => format!("set `region` to {region}; it is {} now", bucket.region()),
        None => format!("set `region` to the bucket's; it is {} now", bucket.region()),
    }
}

fn wrong_right(check: &'static str, right: &str, fault: &Fault) -> Finding {
    let advice = if fault.is_denied() {
        format!("give these credentials the right {right} on this bucket")
    } else if fault.is_skewed() {
        format!("{CLOCK_ADVICE}, and let nothing between rewrite the header Date")
    } else {
        "see what the store says".to_owned()
    };
    Finding::wrong(check, fault.told(), advice)
}

/// Tries each right on a scratch object. Whether all that a write needs is there.
async fn examine_rights(bucket: &Bucket, key: &str, findings: &mut Vec<Finding>) -> bool {
    let mut note = |check, right, tried: Faulty<()>| {
        let finding = match &tried {
            Ok(()) => Finding::fine(check, "allowed"),
            Err(fault) => wrong_right(check, right, fault),
        };
        findings.push(finding);
        tried.is_ok()
    };
    let put = note("s3 put", "s3:PutObject", bucket.try_put_scratch(key).await);
    // Without an object there is nothing to read, and the right to delete can be tried all the same.
    let got = !put || note("s3 get", "s3:GetObject", bucket.try_get_scratch(key).await);
    let uploads = "s3:ListBucketMultipartUploads and s3:AbortMultipartUpload";
    let uploaded = note("s3 uploads", uploads, bucket.try_uploads(key).await);
    let delete = "s3:DeleteObject, s3:DeleteObjectVersion and s3:ListBucketVersions";
    let deleted = note("s3 delete", delete, bucket.try_delete(key).await);
    put && got && uploaded && deleted
}

async fn examine_versioning(bucket: &Bucket) -> Finding {
    const CHECK: &str = "s3 versioning";
    let call = bucket.client.get_bucket_versioning().bucket(bucket.name());
    let found = match call.send().await.map_err(|error| Fault::of(&error)) {
        Ok(found) => found,
        Err(fault) if fault.is_not_there_to_ask() => {
            return Finding::fine(CHECK, "the store keeps no versions");
        }
        Err(fault) => {
            return Finding::warning(
                CHECK,
                format!("cannot tell: {}", fault.told()),
                "give these credentials the right s3:GetBucketVersioning, and make sure that versioning is off",
            );
        }
    };
    if found.mfa_delete == Some(MfaDeleteStatus::Enabled) {
        return Finding::wrong(
            CHECK,
            "MFA delete is on: no version can be deleted, so nothing can be erased",
            "turn MFA delete off, or use another bucket",
        );
    }
    let lock = bucket.client.get_object_lock_configuration().bucket(bucket.name()).send().await;
    let lock = lock.ok().and_then(|found| found.object_lock_configuration);
    if lock.is_some_and(|lock| lock.rule.is_some()) {
        return Finding::wrong(
            CHECK,
            "object lock holds every object for a time: until then nothing can be erased",
            "use a bucket without a default retention",
        );
    }
    match found.status {
        Some(BucketVersioningStatus::Enabled) => Finding::warning(
            CHECK,
            "versioning is on: what a later move overwrites stays as an old version until the object expires or \
             is erased, and an erasure has to delete each version",
            "turn versioning off, or add a rule that expires noncurrent versions after a day; replication keeps \
             copies that no erasure reaches",
        ),
        Some(BucketVersioningStatus::Suspended) => Finding::warning(
            CHECK,
            "versioning is suspended: versions made before may be there still",
            "add a rule that expires noncurrent versions",
        ),
        Some(_) | None => Finding::fine(CHECK, "off"),
    }
}

async fn examine_conditions(bucket: &Arc<Bucket>) -> Finding {
    const CHECK: &str = "s3 conditional writes";
    match bucket.holds_conditions().await {
        Ok(true) => Finding::fine(CHECK, "held, also at the end of uploads in parts"),
        Ok(false) => Finding::warning(
            CHECK,
            "the store ignores or refuses If-None-Match and If-Match on writes",
            "nothing has to be done: each move writes an object of its own; a store that holds them needs fewer \
             objects (look also at what lies between: a proxy may strip the headers)",
        ),
        Err(error) => Finding::wrong(CHECK, error.to_string(), "see what the store says"),
    }
}

impl Bucket {
    fn region(&self) -> String {
        self.client.config().region().map_or_else(|| "not set".to_owned(), ToString::to_string)
    }

    async fn try_put_scratch(&self, key: &str) -> Faulty<()> {
        let call = self.client.put_object().bucket(self.name()).key(key);
        let sent = call.body(ByteStream::from_static(b"scratch")).send().await;
        sent.map(drop).map_err(|error| Fault::of(&error))
    }

    async fn try_get_scratch(&self, key: &str) -> Faulty<()> {
        let found = self.client.get_object().bucket(self.name()).key(key).send().await;
        let found = found.map_err(|error| Fault::of(&error))?;
        let body = found.body.collect().await;
        let body = body.map_err(|_| Fault::of_body("the connection broke in the middle of a body"))?;
        match body.into_bytes() == "scratch" {
            true => Ok(()),
            false => Err(Fault::of_body("what was written does not read back")),
        }
    }

    async fn try_uploads(&self, key: &str) -> Faulty<()> {
        let begun = self.client.create_multipart_upload().bucket(self.name()).key(key).send().await;
        let begun = begun.map_err(|error| Fault::of(&error))?;
        let listed = self.client.list_multipart_uploads().bucket(self.name()).prefix(key).send().await;
        self.abort_upload(key, &begun.upload_id.unwrap_or_default()).await?;
        listed.map(drop).map_err(|error| Fault::of(&error))
    }

    async fn try_delete(&self, key: &str) -> Faulty<()> {
        match self.delete_old_versions(key).await? {
            Some(current) => self.delete_version(key, current.id).await,
            None => self.delete_version(key, None).await,
        }
    }
}
