//! Which chain had which revision: a chain that changes without a higher `chain_revision` is refused.
//!
//! Copies made by two different chains under one number would be ranked by how much each redacted, and
//! readers could see either. What was accepted is remembered in a file, `chains.json`, beside the data:
//! tenant → revision and a digest of the chain, the same of the one before it, and, for a rollback, the
//! chains themselves. Those hold their plugins' settings, so nobody but the owner may read the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use replay_core::identity::ProjectId;

use crate::config::{PluginRef, Tenant, Tenants, Unlisted};

/// What was accepted, of all tenants.
pub struct Revisions {
    path: PathBuf,
    file: File,
    unreadable: Option<String>,
    changed: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    format_version: u32,
    chains: BTreeMap<String, Known>,
    /// The chains that `chains` names, by digest.
    #[serde(default)]
    bodies: BTreeMap<String, Vec<PluginRef>>,
}

/// What is remembered of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The number of its chain.
    pub revision: u16,
    /// Digest of the chain.
    pub digest: String,
    /// Digest of the chain before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Whether it was the chain before, and came back: the previous one is what somebody went back from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub came_back: bool,
}

const FORMAT_VERSION: u32 = 1;

/// What the chain of who is not listed is remembered as.
pub const DEFAULTS: &str = "defaults";

impl Revisions {
    /// What the file at `path` says; one that cannot be read is complained of by `accept`.
    pub fn open(path: &Path) -> Self {
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

    /// The same for who only looks, and may not read what the service remembers: why, then, and nothing is known.
    pub(crate) fn open_to_look(path: &Path) -> (Self, Option<String>) {
        match std::fs::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let file = File::default();
                let revisions = Self { path: path.to_owned(), file, unreadable: None, changed: false };
                (revisions, Some(format!("{}: {error}", path.display())))
            }
            Ok(_) | Err(_) => (Self::open(path), None),
        }
    }

    /// Why the file cannot be read, if it cannot.
    pub fn unreadable(&self) -> Option<String> {
        let why = self.unreadable.as_ref()?;
        let path = self.path.display();
        Some(format!("{path} {why}; mend it, or remove it and raise every chain_revision"))
    }

    /// What is known of a tenant.
    pub fn known(&self, name: &str) -> Option<&Known> {
        self.file.chains.get(name)
    }

    /// The chain that a tenant had before its present one, if it is remembered.
    pub fn previous(&self, name: &str) -> Option<&[PluginRef]> {
        let digest = self.known(name)?.previous.as_ref()?;
        self.file.bodies.get(digest).map(Vec::as_slice)
    }

    /// Takes note of the tenant's chain, or says why it may not be what it is.
    pub(super) fn accept(&mut self, name: &str, tenant: &Tenant) -> Result<(), String> {
        if let Some(why) = self.unreadable() {
            self.unreadable = None;
            return Err(why);
        }
        let mut now = Known {
            revision: tenant.chain_revision,
            digest: digest(tenant),
            previous: None,
            came_back: false,
        };
        let Some(known) = self.file.chains.get(name) else {
            // Who never had a chain need not be remembered.
            if !tenant.plugins.is_empty() {
                self.remember(name, now, tenant);
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
        let is_same = known.digest == now.digest;
        (now.previous, now.came_back) = match is_same {
            true => (known.previous.clone(), known.came_back),
            false => (Some(known.digest.clone()), known.previous.as_ref() == Some(&now.digest)),
        };
        if *known != now || self.file.bodies.get(&now.digest) != Some(&tenant.plugins) {
            self.remember(name, now, tenant);
        }
        Ok(())
    }

    fn remember(&mut self, name: &str, now: Known, tenant: &Tenant) {
        self.file.bodies.insert(now.digest.clone(), tenant.plugins.clone());
        self.file.chains.insert(name.to_owned(), now);
        self.changed = true;
    }

    /// Who had a chain and is not in the config any more, unless the operator says that it is `retired`:
    /// its records would be treated as those of anybody who is not listed.
    pub(super) fn vanished(&self, tenants: &Tenants) -> Vec<String> {
        if tenants.unlisted == Unlisted::Reject {
            return Vec::new();
        }
        let defaults = digest(&tenants.defaults);
        let is_known = |name: &str| {
            name == DEFAULTS
                || ProjectId::new(name).is_some_and(|id| tenants.listed.contains_key(&id))
                || tenants.retired.iter().any(|id| id.as_str() == name)
        };
        let falls = |known: &Known| {
            let had_chain = known.digest != digest_of(&[]);
            had_chain && (known.digest != defaults || known.revision > tenants.defaults.chain_revision)
        };
        let vanished = self.file.chains.iter().filter(|(name, known)| falls(known) && !is_known(name));
        let say = |(name, _)| {
            format!(
                "tenants.{name}: it had a chain and is not in the config any more, so that its records would be \
                 treated as `tenants.defaults` says; list it again, or add it to `tenants.retired`"
            )
        };
        vanished.map(say).collect()
    }

    /// Who had a chain once and is not listed.
    pub(super) fn remembered(&self, tenants: &Tenants) -> BTreeSet<ProjectId> {
        let had_chain = self.file.chains.iter().filter(|(_, known)| known.digest != digest_of(&[]));
        let projects = had_chain.filter(|(name, _)| *name != DEFAULTS);
        let projects = projects.filter_map(|(name, _)| ProjectId::new(name));
        projects.filter(|project| !tenants.listed.contains_key(project)).collect()
    }

    /// Writes down what was accepted, whole or not at all.
    pub(super) fn save(&mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let File { format_version, chains, bodies } = &mut self.file;
        *format_version = FORMAT_VERSION;
        let is_named = |digest: &String| {
            chains.values().any(|known| known.digest == *digest || known.previous.as_ref() == Some(digest))
        };
        bodies.retain(|digest, _| is_named(digest));
        let bytes = serde_json::to_vec_pretty(&self.file)?;
        let beside = self.path.with_extension("json.tmp");
        // One that is left of a process that died may be anybody's to read.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        // Else a loss of power could bring the old one back, and a number that was given be given again.
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        self.changed = false;
        Ok(())
    }
}

/// SHA-256 over what decides what the chain makes of a chunk.
fn digest(tenant: &Tenant) -> String {
    digest_of(&tenant.plugins)
}

/// SHA-256 over what decides what these plugins make of a chunk, hexadecimal.
pub fn digest_of(plugins: &[PluginRef]) -> String {
    let mut hash = Sha256::new();
    for plugin in plugins {
        let parts = [&plugin.sha256, &plugin.config.to_string(), &plugin.allow_replace.to_string()];
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update([u8::from(plugin.mask_only)]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;
    use crate::config::{OnPluginFailure, PluginClass};

    fn tenant(revision: u16, plugins: &[&str]) -> Tenant {
        let plugin = |name: &&str| PluginRef {
            name: (*name).to_owned(),
            sha256: name.repeat(8),
            from: None,
            class: PluginClass::Compiled,
            config: serde_json::json!({}),
            allow_replace: false,
            mask_only: false,
        };
        Tenant {
            chain_revision: revision,
            plugins: plugins.iter().map(plugin).collect(),
            shadow: None,
            redacts: true,
            on_plugin_failure: OnPluginFailure::Quarantine,
            dead_letter_payload: None,
            hot_retention_days: 1,
            cold_retention_days: 1,
        }
    }

    fn tenants(defaults: Tenant, listed: &[(&str, Tenant)], retired: &[&str]) -> Tenants {
        let id = |name: &str| ProjectId::new(name).unwrap();
        Tenants {
            unlisted: Unlisted::Defaults,
            defaults,
            listed: listed
                .iter()
                .map(|(name, tenant)| (id(name), tenant.clone()))
                .collect::<BTreeMap<_, _>>(),
            keys: HashMap::new(),
            retired: retired.iter().map(|name| id(name)).collect(),
            dir: None,
        }
    }

    /// What a start with this config says.
    fn start(path: &Path, tenants: &Tenants) -> Vec<String> {
        let mut revisions = Revisions::open(path);
        let named = tenants.listed.iter().map(|(id, tenant)| (id.as_str(), tenant));
        let all = std::iter::once((DEFAULTS, &tenants.defaults)).chain(named);
        let mut problems: Vec<String> =
            all.filter_map(|(name, tenant)| revisions.accept(name, tenant).err()).collect();
        problems.extend(revisions.vanished(tenants));
        if problems.is_empty() {
            revisions.save().unwrap();
        }
        problems
    }

    #[test]
    fn who_had_a_chain_does_not_leave_unnoticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chains.json");
        let plain = || tenant(0, &[]);
        let shop = ("shop", tenant(3, &["mask"]));
        assert!(start(&path, &tenants(plain(), &[shop.clone(), ("blog", plain())], &[])).is_empty());
        // Who never had one may go.
        assert!(start(&path, &tenants(plain(), std::slice::from_ref(&shop), &[])).is_empty());
        let said = start(&path, &tenants(plain(), &[], &[]));
        assert!(
            matches!(said.as_slice(), [one] if one.contains("tenants.shop") && one.contains("retired")),
            "{said:?}"
        );
        // Another chain is no better, the same is, and so is to be rejected.
        assert_eq!(start(&path, &tenants(tenant(3, &["other"]), &[], &[])).len(), 1);
        assert!(Revisions::open(&path).vanished(&tenants(tenant(3, &["mask"]), &[], &[])).is_empty());
        assert_eq!(Revisions::open(&path).vanished(&tenants(tenant(2, &["mask"]), &[], &[])).len(), 1);
        let rejects = Tenants { unlisted: Unlisted::Reject, ..tenants(plain(), &[], &[]) };
        assert!(start(&path, &rejects).is_empty());
        // The operator may say so; the revision is remembered for when it comes back.
        assert!(start(&path, &tenants(plain(), &[], &["shop"])).is_empty());
        let gone = Revisions::open(&path).remembered(&tenants(plain(), &[], &["shop"]));
        assert_eq!(gone.iter().map(ProjectId::as_str).collect::<Vec<_>>(), ["shop"]);
        assert!(
            Revisions::open(&path).remembered(&tenants(plain(), std::slice::from_ref(&shop), &[])).is_empty()
        );
        assert_eq!(start(&path, &tenants(plain(), &[("shop", tenant(2, &["mask"]))], &[])).len(), 1);
        assert!(start(&path, &tenants(plain(), &[("shop", tenant(4, &["new"]))], &[])).is_empty());
    }

    #[test]
    fn the_chain_before_is_remembered_by_whoever_may_read_the_data() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chains.json");
        let is = |revision, plugins: &[&str]| {
            let shop = ("shop", tenant(revision, plugins));
            assert_eq!(start(&path, &tenants(tenant(0, &[]), &[shop], &[])), Vec::<String>::new());
            let revisions = Revisions::open(&path);
            let names = |plugins: &[PluginRef]| plugins.iter().map(|one| one.name.clone()).collect();
            let previous: Option<Vec<String>> = revisions.previous("shop").map(names);
            (revisions.known("shop").unwrap().revision, previous, revisions.file.bodies.len())
        };
        let some = |name: &str| Some(vec![name.to_owned()]);
        assert_eq!(is(1, &["one"]), (1, None, 1));
        assert_eq!(is(2, &["two"]), (2, some("one"), 2));
        // A higher number alone is no other chain.
        assert_eq!(is(3, &["two"]), (3, some("one"), 2));
        assert_eq!(is(4, &["three"]), (4, some("two"), 2));
        assert_eq!(is(5, &["two"]), (5, some("three"), 2));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}
