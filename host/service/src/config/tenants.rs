//! Tenants: whose sessions are stored, and how each one's are treated.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use replay_core::identity::ProjectId;
use replay_core::winner::MAX_CHAIN_REVISION;
use serde_json::{Value as Json, json};

use super::file::{DeadLetterPayload, Migration};
use super::leaf::{Kind, choice, count, flag, not_a_mapping, path as path_kind, text_of};
use super::node::{Data, Key, Node};
use super::plugins::{Chain, PluginRef};
use super::report::{Problems, Span};
use super::rules::word;
use super::section::{self, choices, if_present, join, section};
use super::shadow::{self, ShadowFile, ShadowRef};
use super::tenant_files::OwnFile;
use super::units::wrong;

/// What a project id is made of.
const PROJECT_ID: &str = "use letters, digits, `.`, `_` and `-`, a letter or digit first, 128 at most";

/// Keys of the section that are no tenants.
pub(super) const MEANINGS: [&str; 4] = ["unlisted", "defaults", "retired", "dir"];

section! {
    /// How a tenant's sessions are treated. What is left out is as in `tenants.defaults`.
    pub(super) TenantFile {
        /// The SDK keys of the project.
        keys: Vec<String> = text_of(word).list(Vec::new()),
        /// Number of the chain; raised whenever the chain changes.
        chain_revision: Option<u16> = count().within(0, MAX_CHAIN_REVISION).optional(),
        /// The plugins that see every chunk, in order; `[]` for none.
        plugins: Option<Vec<PluginRef>> = Chain,
        /// A chain that runs beside it, and is only compared.
        shadow: Option<ShadowFile> = if_present(),
        /// Whether the chain is there to redact.
        redacts: Option<bool> = flag().optional(),
        /// What becomes of a batch on which a plugin failed.
        on_plugin_failure: Option<OnPluginFailure> = choice().optional(),
        /// What dead letters hold. `reference` for a chain that redacts, unless written here.
        dead_letter_payload: Option<DeadLetterPayload> = choice().optional(),
        /// Days in the hot store. Default: `replay.migration.hot_retention_days`.
        hot_retention_days: Option<u32> = count().within(1, 3650).optional(),
        /// Days in the cold store. Default: `replay.migration.cold_retention_days`.
        cold_retention_days: Option<u32> = count().within(1, 36_500).optional(),
    }
}

choices! {
    /// What becomes of a batch on which a plugin failed.
    pub OnPluginFailure {
        /// A dead letter.
        Quarantine = "quarantine",
        /// Nothing: it is dropped, and counted.
        Drop = "drop",
        /// It is stored as it came; only for a chain that does not redact.
        Pass = "pass",
    }
}

choices! {
    /// What becomes of a record whose project is not listed.
    pub Unlisted {
        /// It is treated as `tenants.defaults` says.
        Defaults = "defaults",
        /// It is dead-lettered as `unknown_tenant`.
        Reject = "reject",
    }
}

/// The section `tenants` as the file says it.
#[derive(Clone, Debug)]
pub(super) struct TenantsFile {
    /// Directory of tenants' own files.
    pub(super) dir: Option<PathBuf>,
    unlisted: Unlisted,
    defaults: TenantFile,
    listed: Vec<(Key, TenantFile)>,
    retired: Vec<ProjectId>,
}

/// How one tenant's sessions are treated.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The number of its chain, at most [`MAX_CHAIN_REVISION`].
    pub chain_revision: u16,
    /// Its chain, in order.
    pub plugins: Vec<PluginRef>,
    /// What is compared with the chain.
    pub shadow: Option<ShadowRef>,
    /// Whether the chain is there to redact.
    pub redacts: bool,
    /// What becomes of a batch on which a plugin failed.
    pub on_plugin_failure: OnPluginFailure,
    /// What dead letters hold, if the config says so for this tenant in so many words.
    pub dead_letter_payload: Option<DeadLetterPayload>,
    /// Days in the hot store, from 1.
    pub hot_retention_days: u32,
    /// Days in the cold store, from 1.
    pub cold_retention_days: u32,
}

impl Tenant {
    /// Every plugin that must be there: of the chain, and of what is compared with it.
    pub fn components(&self) -> impl Iterator<Item = &PluginRef> {
        self.plugins.iter().chain(self.shadow.iter().flat_map(|shadow| &shadow.plugins))
    }
}

/// All tenants.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// What becomes of records of projects that are not listed.
    pub unlisted: Unlisted,
    /// How unlisted projects are treated.
    pub defaults: Tenant,
    /// The listed ones.
    pub listed: BTreeMap<ProjectId, Tenant>,
    /// SDK key → project.
    pub keys: HashMap<String, ProjectId>,
    /// Projects that had a chain and are meant to be listed no more.
    pub retired: Vec<ProjectId>,
    /// Directory of tenants' own files, if there is one.
    pub dir: Option<PathBuf>,
}

impl Tenants {
    /// How this project is treated; `None` if its records are to be rejected.
    pub fn of(&self, project: &ProjectId) -> Option<&Tenant> {
        let unlisted = || match self.unlisted {
            Unlisted::Defaults => Some(&self.defaults),
            Unlisted::Reject => None,
        };
        self.listed.get(project).or_else(unlisted)
    }

    /// The project of an SDK key.
    pub fn by_key(&self, key: &str) -> Option<&ProjectId> {
        self.keys.get(key)
    }

    /// The tenants, and the defaults.
    pub fn all(&self) -> impl Iterator<Item = &Tenant> {
        std::iter::once(&self.defaults).chain(self.listed.values())
    }
}

/// Reads the section: a few keys with a meaning, every other one a project id.
pub(super) struct TenantsKind;

impl Kind for TenantsKind {
    type Out = Option<TenantsFile>;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<Self::Out> {
        if !node.is_null() && !matches!(node.data, Data::Map(_)) {
            if !node.is_broken() {
                not_a_mapping(path, node.span, problems);
            }
            return None;
        }
        let unlisted = node.get("unlisted").and_then(|n| unlisted().read(n, "tenants.unlisted", problems));
        let defaults = section::read(node.get("defaults"), "tenants.defaults", problems);
        let named = node.entries().iter().filter(|(key, _)| !MEANINGS.contains(&key.text.as_str()));
        let listed = named
            .map(|(key, node)| (key.clone(), section::read(Some(node), &join(path, &key.text), problems)))
            .collect();
        let retired = node.get("retired").and_then(|n| retired().read(n, "tenants.retired", problems));
        let dir =
            node.get("dir").and_then(|n| path_kind().optional().read(n, "tenants.dir", problems)).flatten();
        let (unlisted, retired) = (unlisted.unwrap_or(Unlisted::Defaults), retired.unwrap_or_default());
        Some(Some(TenantsFile { dir, unlisted, defaults, listed, retired }))
    }

    fn absent(&self) -> Self::Out {
        None
    }

    fn schema(&self) -> Json {
        let tenant = section::schema::<TenantFile>();
        let (mut defaults, mut others, mut gone) = (tenant.clone(), unlisted().schema(), retired().schema());
        defaults["required"] = json!(["plugins"]);
        others["description"] = "Records of projects that are not listed.".into();
        gone["description"] = "Projects that had a chain and are meant to be listed no more.".into();
        let mut dir = path_kind().optional().schema();
        dir["description"] =
            "Directory of tenants' own files, `<project id>.yaml`, with the keys of an entry here.".into();
        json!({
            "type": "object",
            "required": ["defaults"],
            "properties": { "unlisted": others, "dir": dir, "defaults": defaults, "retired": gone },
            "additionalProperties": tenant,
        })
    }
}

fn unlisted() -> impl Kind<Out = Unlisted> {
    choice().or(Unlisted::Defaults)
}

fn retired() -> impl Kind<Out = Vec<ProjectId>> {
    text_of(|text| ProjectId::new(text).map_or_else(|| wrong("is not a project id", PROJECT_ID), Ok))
        .list(Vec::new())
}

/// Checks the section and tenants' own files, and fills in what tenants inherit. Without a section nobody
/// has a chain.
pub(super) fn resolve(
    file: Option<TenantsFile>,
    node: Option<&Node>,
    own: &mut [OwnFile],
    migration: &Migration,
    problems: &mut Problems,
) -> Tenants {
    let base = Tenant {
        chain_revision: 0,
        plugins: Vec::new(),
        shadow: None,
        redacts: true,
        on_plugin_failure: OnPluginFailure::Quarantine,
        dead_letter_payload: None,
        hot_retention_days: migration.hot_retention_days,
        cold_retention_days: migration.cold_retention_days,
    };
    let mut all = Tenants {
        unlisted: Unlisted::Defaults,
        defaults: base,
        listed: BTreeMap::new(),
        keys: HashMap::new(),
        retired: Vec::new(),
        dir: None,
    };
    let Some(file) = file else { return all };
    require_default_chain(&file.defaults, node, problems);
    let of_defaults = node.map(|node| node.get("defaults").unwrap_or(node));
    if !file.defaults.keys.is_empty() {
        let at = place(of_defaults, "keys");
        problems.add_at(at, "tenants.defaults.keys: defaults have no keys", "a key belongs to one project");
    }
    all.defaults = inherit(&file.defaults, &all.defaults, of_defaults, "defaults", problems);
    (all.unlisted, all.retired, all.dir) = (file.unlisted, file.retired, file.dir);
    for (key, tenant) in &file.listed {
        match ProjectId::new(&key.text) {
            Some(id) => all.list(id, tenant, node.and_then(|node| node.get(&key.text)), problems),
            None => problems.add(key.span, "this is not a project id", PROJECT_ID),
        }
    }
    for own in own {
        if all.listed.contains_key(&own.id) {
            let message = format!("`{}` is listed in the section `tenants` too", own.id);
            own.wrong(&message, "keep one of the two");
        } else {
            all.list(own.id.clone(), &own.tenant, own.document.root.as_ref(), &mut own.problems);
        }
    }
    all
}

impl Tenants {
    /// Takes a tenant in; `node` is what its entry, or its file, holds.
    fn list(&mut self, id: ProjectId, tenant: &TenantFile, node: Option<&Node>, problems: &mut Problems) {
        for sdk_key in &tenant.keys {
            if let Some(other) = self.keys.insert(sdk_key.clone(), id.clone()) {
                let also =
                    if other == id { "given twice".into() } else { format!("also a key of `{other}`") };
                problems.add_at(
                    place(node, "keys"),
                    &format!("the SDK key `{sdk_key}` of `{id}` is {also}"),
                    "a key belongs to one project, once: take it out",
                );
            }
        }
        let resolved = inherit(tenant, &self.defaults, node, id.as_str(), problems);
        self.listed.insert(id, resolved);
    }
}

/// Nobody stores unredacted data because a line was forgotten.
fn require_default_chain(defaults: &TenantFile, node: Option<&Node>, problems: &mut Problems) {
    let written = node.and_then(|n| n.at("defaults.plugins")).is_some();
    if defaults.plugins.is_none() && !written {
        problems.add_at(
            place(node.map(|node| node.get("defaults").unwrap_or(node)), "plugins"),
            "tenants.defaults.plugins is missing: nobody should store unredacted data by omission",
            "write `plugins: []` below `tenants.defaults` if there is to be no chain",
        );
    }
}

/// A tenant with what it leaves out taken from `base`.
fn inherit(
    file: &TenantFile,
    base: &Tenant,
    node: Option<&Node>,
    name: &str,
    problems: &mut Problems,
) -> Tenant {
    let own_chain = file.plugins.is_some();
    let plugins = file.plugins.clone().unwrap_or_else(|| base.plugins.clone());
    // What weakens a chain's promises is said beside the chain, in so many words.
    let (redacts, on_failure, letters) = match own_chain {
        true => (true, OnPluginFailure::Quarantine, None),
        false => (base.redacts, base.on_plugin_failure, base.dead_letter_payload),
    };
    let shadow = match &file.shadow {
        Some(shadow) => {
            let written = node.and_then(|tenant| tenant.get("shadow"));
            shadow::resolve(shadow, name, own_chain, written, problems)
        }
        None => base.shadow.clone().filter(|_| !own_chain),
    };
    let redacts = file.redacts.unwrap_or(redacts);
    let inherited_revision = if own_chain { 0 } else { base.chain_revision };
    let on_plugin_failure = file.on_plugin_failure.unwrap_or(on_failure);
    let mut wrong = |key, message: String, help: &str| {
        problems.add_at(place(node, key), &format!("tenants.{name}: {message}"), help);
    };
    if own_chain && !plugins.is_empty() && file.chain_revision.unwrap_or(0) == 0 {
        let help = "write `chain_revision: 1`, and raise it whenever the chain changes";
        wrong("plugins", "a chain needs a `chain_revision`".into(), help);
    }
    if !plugins.is_empty() && redacts && on_plugin_failure == OnPluginFailure::Pass {
        let help = "choose `quarantine` or `drop`, or say `redacts: false` if the chain does not redact";
        wrong("on_plugin_failure", "`pass` would store what the chain should have redacted".into(), help);
    }
    Tenant {
        chain_revision: file.chain_revision.unwrap_or(inherited_revision),
        redacts,
        on_plugin_failure,
        dead_letter_payload: file.dead_letter_payload.or(letters),
        hot_retention_days: file.hot_retention_days.unwrap_or(base.hot_retention_days),
        cold_retention_days: file.cold_retention_days.unwrap_or(base.cold_retention_days),
        plugins,
        shadow,
    }
}

/// Where a tenant's key is written, or else the tenant.
fn place(tenant: Option<&Node>, key: &str) -> Option<Span> {
    let tenant = tenant?;
    Some(tenant.get(key).unwrap_or(tenant).span)
}
