//! What `promote` and `rollback` share: another chain of one tenant, written into the operator's file.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use replay_core::identity::ProjectId;
use replay_core::winner::MAX_CHAIN_REVISION;

use crate::build;
use crate::chains::{DEFAULTS, Revisions, TenantReport, digest_of};
use crate::cli::context::{Context, project_arg};
use crate::cli::{CliError, Exit, output};
use crate::config::{ChainEdit, PluginRef, Settings, Tenant, Tenants, chain_text, with_chain};
use crate::lock::running_owner;

use super::status;

/// What is said of a file that would read as something else.
const UNCLEAR: &str = "the way it is written, the chain cannot be told apart from what is around it";

/// A tenant whose chain is to change: what the file says, what was accepted, what the service says.
pub(super) struct Target {
    name: String,
    /// Where its chain is written.
    file: PathBuf,
    /// Whether that file is the tenant's alone.
    is_own: bool,
    /// The file as it was read.
    text: String,
    pub(super) tenant: Tenant,
    tenants: Tenants,
    pub(super) revisions: Revisions,
    /// What the running service says, if one runs.
    pub(super) report: Option<TenantReport>,
    context: Context,
}

impl Target {
    /// Reads all there is to know of it; refuses what is not what the service runs.
    pub(super) fn load(config: Option<&Path>, name: &str) -> Result<Self, CliError> {
        let project = project_arg(name)?;
        let context = Context::load(config)?;
        let config = config.ok_or_else(|| CliError::usage("which config? say --config FILE"))?;
        let tenants = context.settings().tenants.clone();
        let own = tenants.dir.as_ref().map(|dir| dir.join(format!("{name}.yaml")));
        let own = own.filter(|file| name != DEFAULTS && file.exists());
        // A link stays a link: what it points to changes.
        let (file, is_own) = (std::fs::canonicalize(own.as_deref().unwrap_or(config))?, own.is_some());
        let text = std::fs::read_to_string(&file)?;
        let tenant = tenant_named(&tenants, &project).cloned().ok_or_else(|| {
            CliError::usage(format!(
                "`{name}` is not listed under `tenants`; who is not follows `{DEFAULTS}`"
            ))
        })?;
        let revisions = Revisions::open(&build::revisions_file(context.settings()));
        if let Some(why) = revisions.unreadable() {
            return Err(CliError::new(Exit::Config, why));
        }
        let report = match running_owner(context.data_dir()) {
            Some(_) => status::reports(&context.service()?, Some(name))?.pop(),
            None => None,
        };
        let target =
            Self { name: name.to_owned(), file, is_own, text, tenant, tenants, revisions, report, context };
        target.refuse_if_changed()?;
        Ok(target)
    }

    /// The file may say something that nothing has accepted yet: that would be given a number unseen.
    fn refuse_if_changed(&self) -> Result<(), CliError> {
        let written = (self.tenant.chain_revision, digest_of(&self.tenant.plugins));
        let shadow = self.tenant.shadow.as_ref().map(|shadow| digest_of(&shadow.plugins));
        let is_same = match (&self.report, self.revisions.known(&self.name)) {
            (Some(report), _) => {
                let compared = report.shadow.as_ref().map(|shadow| shadow.chain_digest.clone());
                written == (report.chain_revision, report.chain_digest.clone()) && shadow == compared
            }
            (None, Some(known)) => written == (known.revision, known.digest.clone()),
            (None, None) => true,
        };
        if is_same {
            return Ok(());
        }
        let (file, name) = (self.file.display(), &self.name);
        Err(CliError::failed(format!(
            "{file} has changed: what it says of `{name}` is not what runs; reload it first (SIGHUP), look at \
             `plugin status --project {name}`, and try again"
        )))
    }

    /// Gives the tenant these plugins under a new number, in the file or, with `print`, on stdout.
    pub(super) fn change(
        &self,
        plugins: &[PluginRef],
        without_shadow: bool,
        print: bool,
    ) -> Result<Exit, CliError> {
        let known = self.revisions.known(&self.name).map_or(0, |known| known.revision);
        let revision = known.max(self.tenant.chain_revision) + 1;
        if revision > MAX_CHAIN_REVISION {
            let message =
                format!("`{}` has had {MAX_CHAIN_REVISION} chains, and there is no higher number", self.name);
            return Err(CliError::failed(message));
        }
        let edit = ChainEdit { revision, plugins: plugins.to_vec(), without_shadow };
        if print {
            output::say(chain_text(&self.name, &edit).trim_end())?;
            if without_shadow {
                output::complain(&format!(
                    "put this in, take `tenants.{}.shadow` out, and reload",
                    self.name
                ));
            }
            return Ok(Exit::Done);
        }
        self.write(&edit)?;
        let reload = match running_owner(self.context.data_dir()) {
            Some(owner) => format!("reload: kill -HUP {}", owner.pid),
            None => "the next start takes it".to_owned(),
        };
        let file = self.file.display();
        output::say(&format!(
            "{file}: `{}` has a new chain under chain_revision {revision}: {}; before: {}; {reload}",
            self.name,
            named(plugins, &self.tenant.plugins),
            named(&self.tenant.plugins, plugins),
        ))?;
        Ok(Exit::Done)
    }

    /// Writes the file whole or not at all, after it was read as a config that says what is meant.
    fn write(&self, edit: &ChainEdit) -> Result<(), CliError> {
        let by_hand = |why: String| {
            let file = self.file.display();
            CliError::failed(format!("{file} is left as it is: {why}; `--print` shows what to write by hand"))
        };
        let path: &[&str] = if self.is_own { &[] } else { &["tenants", &self.name] };
        let text = with_chain(&self.text, path, edit).map_err(by_hand)?;
        match self.is_own {
            true => self.check_own(&text, edit).map_err(by_hand)?,
            false => self.check(&text, edit).map_err(by_hand)?,
        }
        let found = std::fs::read_to_string(&self.file)?;
        if found != self.text {
            return Err(by_hand("somebody else changed it meanwhile".to_owned()));
        }
        replace(&self.file, &text).map_err(|error| by_hand(format!("it cannot be written: {error}")))
    }

    /// Whether a tenant's own file says what is meant: it is read as an entry of a config of its own.
    fn check_own(&self, text: &str, edit: &ChainEdit) -> Result<(), String> {
        let lines: String = text.lines().map(|line| format!("    {line}\n")).collect();
        let config = format!(
            "source: {{kind: local}}\nhot: {{kind: sqlite}}\ncold: {{kind: none}}\ntenants:\n  \
             defaults: {{plugins: []}}\n  {}:\n{lines}",
            self.name
        );
        let env = |name: &str| std::env::var(name).ok();
        let settings = Settings::parse(&self.name, config.as_bytes(), &env);
        let tenants = settings.map_err(|_| "what it would say cannot be read back".to_owned())?.tenants;
        let found = tenants.listed.first_key_value().map(|(_, tenant)| tenant);
        let shadow = self.tenant.shadow.as_ref().filter(|_| !edit.without_shadow);
        let is_meant = found.is_some_and(|tenant| {
            (tenant.chain_revision, &tenant.plugins, tenant.shadow.as_ref())
                == (edit.revision, &edit.plugins, shadow)
        });
        is_meant.then_some(()).ok_or_else(|| UNCLEAR.to_owned())
    }

    /// Whether the text is a config in which this tenant's chain is the new one and nobody else's changed.
    fn check(&self, text: &str, edit: &ChainEdit) -> Result<(), String> {
        let env = |name: &str| std::env::var(name).ok();
        let name = self.file.display().to_string();
        let settings = Settings::parse(&name, text.as_bytes(), &env);
        let tenants = settings
            .map_err(|errors| format!("what it would say is refused:\n{}", errors.render(false)))?
            .tenants;
        let said = |tenants: &Tenants, id: Option<&ProjectId>| {
            let tenant = id.map_or(Some(&tenants.defaults), |id| tenants.listed.get(id));
            tenant.map(|tenant| (tenant.chain_revision, tenant.plugins.clone(), tenant.shadow.clone()))
        };
        let ids = std::iter::once(None).chain(self.tenants.listed.keys().map(Some));
        for id in ids {
            let (before, after) = (said(&self.tenants, id), said(&tenants, id));
            let wanted = match id.map_or(DEFAULTS, ProjectId::as_str) == self.name {
                true => {
                    let shadow = self.tenant.shadow.clone().filter(|_| !edit.without_shadow);
                    Some((edit.revision, edit.plugins.clone(), shadow))
                }
                // Who has no chain of its own changes with the defaults.
                false if self.name == DEFAULTS && before == said(&self.tenants, None) => continue,
                false => before,
            };
            if after != wanted {
                return Err(UNCLEAR.to_owned());
            }
        }
        Ok(())
    }
}

/// A chain for people, beside `other`: what both have under one digest may have another config. Configs are
/// confidential.
fn named(chain: &[PluginRef], other: &[PluginRef]) -> String {
    let name = |plugin: &PluginRef| {
        let digest = plugin.sha256.get(..8).unwrap_or_default();
        let is_changed = |other: &PluginRef| {
            (&other.name, &other.sha256) == (&plugin.name, &plugin.sha256) && other != plugin
        };
        let config = if other.iter().any(is_changed) { " with another config" } else { "" };
        format!("{} {digest}…{config}", plugin.name)
    };
    match chain {
        [] => "no plugins".to_owned(),
        plugins => plugins.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

/// The tenant that an operator names: a listed project, or `defaults`.
pub(super) fn tenant_named<'a>(tenants: &'a Tenants, project: &ProjectId) -> Option<&'a Tenant> {
    match project.as_str() == DEFAULTS {
        true => Some(&tenants.defaults),
        false => tenants.listed.get(project),
    }
}

/// Beside it and renamed: a reader sees the one or the other. Owner, group and mode stay as they were, or
/// nothing is changed: the service must be able to read the file, and nobody else.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let before = std::fs::metadata(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        keep_owner(&file, &before)?;
        file.set_permissions(before.permissions())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Gives the file to whom it belonged `before`.
fn keep_owner(file: &File, before: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    let (uid, gid) = (before.uid(), before.gid());
    if (now.uid(), now.gid()) == (uid, gid) {
        return Ok(());
    }
    let change = |id: u32, now: u32| (id != now).then_some(id);
    fchown(file, change(uid, now.uid()), change(gid, now.gid())).map_err(|error| {
        let why = format!("its owner would not stay {uid}:{gid} ({error}), so run this as that user");
        io::Error::new(error.kind(), why)
    })
}
