//! Which chain had which revision: a chain that changes without a higher `chain_revision` is refused.
//!
//! Copies made by two different chains under one number would be ranked by how much each redacted, and
//! readers could see either. What was accepted is remembered in a small file, `chains.json`, beside the
//! data: tenant → revision and a digest of the chain. The file holds no plugin's settings.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Tenant;

pub(super) struct Revisions {
    path: PathBuf,
    file: File,
    unreadable: Option<String>,
    changed: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    format_version: u32,
    chains: BTreeMap<String, Known>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Known {
    revision: u16,
    digest: String,
}

const FORMAT_VERSION: u32 = 1;

impl Revisions {
    pub(super) fn open(path: &Path) -> Self {
        let (file, unreadable) = match std::fs::read(path) {
            Ok(bytes) => match serde_json::from_slice::<File>(&bytes) {
                Ok(file) if file.format_version == FORMAT_VERSION => (file, None),
                Ok(file) => (
                    File::default(),
                    Some(format!("is of format {}, this build reads {FORMAT_VERSION}", file.format_version)),
                ),
                Err(error) => (File::default(), Some(format!("cannot be read: {error}"))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (File::default(), None),
            Err(error) => (File::default(), Some(format!("cannot be read: {error}"))),
        };
        Self { path: path.to_owned(), file, unreadable, changed: false }
    }

    /// Takes note of the tenant's chain, or says why it may not be what it is.
    pub(super) fn accept(&mut self, name: &str, tenant: &Tenant) -> Result<(), String> {
        if let Some(why) = self.unreadable.take() {
            let path = self.path.display();
            return Err(format!("{path} {why}; mend it, or remove it and raise every chain_revision"));
        }
        let now = Known { revision: tenant.chain_revision, digest: digest(tenant) };
        let Some(known) = self.file.chains.get(name) else {
            // Who never had a chain need not be remembered.
            if !tenant.plugins.is_empty() {
                self.file.chains.insert(name.to_owned(), now);
                self.changed = true;
            }
            return Ok(());
        };
        let highest = known.revision;
        let next = u32::from(highest) + 1;
        if now.revision < highest {
            return Err(format!(
                "tenants.{name}.chain_revision is {}, and was {highest}: copies of a lower revision would \
                 never be seen; write at least {next}",
                now.revision
            ));
        }
        if now.revision == highest && now.digest != known.digest {
            return Err(format!(
                "tenants.{name}: the chain is not what it was under chain_revision {highest}; raise it to {next}"
            ));
        }
        if *known != now {
            self.file.chains.insert(name.to_owned(), now);
            self.changed = true;
        }
        Ok(())
    }

    /// Writes down what was accepted, whole or not at all.
    pub(super) fn save(&mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.file.format_version = FORMAT_VERSION;
        let bytes = serde_json::to_vec_pretty(&self.file)?;
        let beside = self.path.with_extension("json.tmp");
        std::fs::write(&beside, bytes)?;
        std::fs::File::open(&beside)?.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        self.changed = false;
        Ok(())
    }
}

/// SHA-256 over what decides what the chain makes of a chunk.
fn digest(tenant: &Tenant) -> String {
    let mut hash = Sha256::new();
    for plugin in &tenant.plugins {
        let parts = [&plugin.sha256, &plugin.config.to_string(), &plugin.allow_replace.to_string()];
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update([u8::from(plugin.mask_only)]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
