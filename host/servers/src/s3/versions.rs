//! Deleting for good: every version, every marker, every unfinished upload.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use replay_core::archive::session_of_key;
use replay_ports::{PortError, Result};

use super::bucket::{Bucket, millis};
use super::fault::Fault;
use super::key::check_key;

/// So many unfinished uploads are listed at a time.
const MAX_UPLOADS: usize = 10_000;
/// So many versions are listed before the old ones among them are deleted.
const MAX_VERSIONS: usize = 10_000;

type Faulty<T> = std::result::Result<T, Fault>;

/// A version of an object, or a marker that says it is deleted.
pub(super) struct Version {
    pub(super) id: Option<String>,
    is_current: bool,
}

/// An upload that was begun and neither completed nor aborted.
struct Unfinished {
    key: String,
    id: String,
    began_at_ms: u64,
}

impl Bucket {
    /// Deletes the object with all its versions and unfinished uploads.
    pub(super) async fn delete(&self, key: &str) -> Result<()> {
        check_key(key)?;
        let current = self.prune_key(key).await?;
        let Some(current) = current else { return Ok(()) };
        // Last, so that no older version comes to light.
        let deleted = self.delete_version(key, current.id).await;
        deleted.map_err(|fault| self.error(&fault, &format!("delete {key}")))
    }

    /// Deletes the versions but the current one, and the unfinished uploads.
    pub(super) async fn prune(&self, key: &str) -> Result<()> {
        check_key(key)?;
        self.prune_key(key).await.map(drop)
    }

    /// Aborts uploads of keys that are ours and that began before this, Unix milliseconds.
    pub(super) async fn sweep(&self, older_than: Duration, is_ours: impl Fn(&str) -> bool) -> Result<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let before_ms = u64::try_from(now.saturating_sub(older_than).as_millis()).unwrap_or(u64::MAX);
        let mut count = 0;
        let doing = "sweep unfinished uploads";
        for upload in self.unfinished("").await.map_err(|fault| self.error(&fault, doing))? {
            if upload.began_at_ms < before_ms && is_ours(&upload.key) {
                let aborted = self.abort_upload(&upload.key, &upload.id).await;
                aborted.map_err(|fault| self.error(&fault, doing))?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Returns the current version, which is left. Uploads go first: one that is completed meanwhile is a
    /// version then.
    async fn prune_key(&self, key: &str) -> Result<Option<Version>> {
        let told = |fault: Fault| {
            let advice = match fault.is_denied() {
                true => {
                    " (deleting for good needs the rights s3:ListBucketVersions, \
                          s3:DeleteObjectVersion, s3:ListBucketMultipartUploads and s3:AbortMultipartUpload)"
                }
                false => "",
            };
            self.error(&fault, &format!("delete what there is of {key}{advice}"))
        };
        let uploads = self.unfinished(key).await.map_err(told)?;
        for upload in uploads.iter().filter(|upload| upload.key == key) {
            self.abort_upload(key, &upload.id).await.map_err(told)?;
        }
        self.delete_old_versions(key).await.map_err(told)
    }

    /// Deletes the versions but the current one, which is returned. Listed to the end first: not every
    /// store finds its place again when the version is gone that a page ended with.
    pub(super) async fn delete_old_versions(&self, key: &str) -> Faulty<Option<Version>> {
        loop {
            let (versions, is_all) = self.versions(key).await?;
            let mut current = None;
            for version in versions {
                if version.is_current {
                    current = Some(version);
                } else {
                    self.delete_version(key, version.id).await?;
                }
            }
            if is_all {
                return Ok(current);
            }
        }
    }

    /// Versions of exactly this key, and whether these are all.
    async fn versions(&self, key: &str) -> Faulty<(Vec<Version>, bool)> {
        let mut found = Vec::new();
        let mut markers = (None, None);
        loop {
            let call = self.client.list_object_versions().bucket(self.name()).prefix(key);
            let call = call.set_key_marker(markers.0.clone()).set_version_id_marker(markers.1.clone());
            let page = match call.send().await.map_err(|error| Fault::of(&error)) {
                // A store without versions: what there is, is current.
                Err(fault) if fault.is_not_there_to_ask() => {
                    return Ok((vec![Version { id: None, is_current: true }], true));
                }
                page => page?,
            };
            let versions = page.versions.unwrap_or_default().into_iter();
            let versions = versions.map(|version| (version.key, version.version_id, version.is_latest));
            let deleted = page.delete_markers.unwrap_or_default().into_iter();
            let deleted = deleted.map(|marker| (marker.key, marker.version_id, marker.is_latest));
            let mut has_others = false;
            for (of, id, is_latest) in versions.chain(deleted) {
                if of.as_deref() == Some(key) {
                    found.push(Version { id, is_current: is_latest == Some(true) });
                } else {
                    has_others = true;
                }
            }
            let next = (page.next_key_marker, page.next_version_id_marker);
            // Keys ascend, and the key itself is the first of those that begin with it.
            if has_others || page.is_truncated != Some(true) || next.0.is_none() {
                return Ok((found, true));
            }
            if next == markers {
                return Err(Fault::of_body("the list of versions does not come to an end"));
            }
            // More than one is left to delete, so the next round has fewer.
            if found.len() >= MAX_VERSIONS {
                return Ok((found, false));
            }
            markers = next;
        }
    }

    /// Deletes one version; without an id, the object of a store that keeps no versions.
    pub(super) async fn delete_version(&self, key: &str, id: Option<String>) -> Faulty<()> {
        let call = self.client.delete_object().bucket(self.name()).key(key).set_version_id(id);
        match call.send().await.map_err(|error| Fault::of(&error)) {
            Err(fault) if !fault.is_no_key() => Err(fault),
            _ => Ok(()),
        }
    }

    /// Unfinished uploads of keys with this prefix.
    async fn unfinished(&self, prefix: &str) -> Faulty<Vec<Unfinished>> {
        let mut uploads = Vec::new();
        let mut markers = (None, None);
        loop {
            let call = self.client.list_multipart_uploads().bucket(self.name());
            let call = call.set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()));
            let call = call.set_key_marker(markers.0.clone()).set_upload_id_marker(markers.1.clone());
            let page = call.send().await.map_err(|error| Fault::of(&error))?;
            uploads.extend(page.uploads.unwrap_or_default().into_iter().filter_map(|upload| {
                let began_at_ms = millis(upload.initiated.as_ref());
                Some(Unfinished { key: upload.key?, id: upload.upload_id?, began_at_ms })
            }));
            let next = (page.next_key_marker, page.next_upload_id_marker);
            // More than that is left to the next call.
            if page.is_truncated != Some(true) || next.0.is_none() || uploads.len() >= MAX_UPLOADS {
                return Ok(uploads);
            }
            if next == markers {
                return Err(Fault::of_body("the list of unfinished uploads does not come to an end"));
            }
            markers = next;
        }
    }
}

/// Whether uploads of this key may be swept: the bucket may hold what others put there.
pub(super) fn is_ours(key: &str) -> bool {
    session_of_key(key).is_some() || key.starts_with(super::probe::SCRATCH)
}

/// What a store says that is opened for reading only.
pub(super) fn read_only(place: &str) -> PortError {
    PortError::refused(format!("{place} is open for reading only"))
}
