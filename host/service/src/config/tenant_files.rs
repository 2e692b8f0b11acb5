//! `tenants.dir`: a file a tenant, named by its project id, with the keys of an entry of `tenants`.

use std::path::{Path, PathBuf};

use replay_core::identity::ProjectId;

use super::interpolate::{Env, interpolate_tenant};
use super::node::{self, Document, Node};
use super::report::{ConfigErrors, Problems, Span};
use super::section::{self, join};
use super::tenants::{MEANINGS, TenantFile};
use super::{read_bounded, text_of};

/// All files together, bytes.
const MAX_BYTES: usize = 256 << 20;

/// Where a report about a whole file points.
const FIRST: Span = Span { start: 0, end: 0, line: 1, column: 1 };

/// A tenant's own file.
pub(super) struct OwnFile {
    /// Whose.
    pub(super) id: ProjectId,
    /// What it says.
    pub(super) tenant: TenantFile,
    pub(super) document: Document,
    pub(super) problems: Problems,
    /// As reports name it.
    name: String,
    text: String,
}

/// What a directory holds.
#[derive(Default)]
pub(super) struct OwnFiles {
    /// By project id.
    pub(super) files: Vec<OwnFile>,
    /// What is no tenant's file, or cannot be read.
    pub(super) refused: Vec<ConfigErrors>,
}

impl OwnFile {
    /// Something wrong with the file as a whole.
    pub(super) fn wrong(&mut self, message: &str, help: &str) {
        self.problems.add(FIRST, message, help);
    }

    /// What was read, for a digest of the whole configuration.
    pub(super) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// What is wrong with it, if anything.
    pub(super) fn finish(self) -> Option<ConfigErrors> {
        let Self { problems, name, text, document, .. } = self;
        (!problems.is_empty()).then(|| problems.finish(&name, &text, &document))
    }
}

/// Reads every file of `dir`, at most so many.
pub(super) fn read(dir: &Path, most: usize, env: &Env<'_>) -> Result<OwnFiles, String> {
    let mut own = OwnFiles::default();
    let mut bytes_left = MAX_BYTES;
    for path in listed(dir, most)? {
        let refuse = |message: &str, help: &str| {
            let place = path.display().to_string();
            ConfigErrors::of_file(&place, &format!("{place}: {message}"), help)
        };
        let id = match tenant_of(&path) {
            Ok(id) => id,
            Err((message, help)) => {
                own.refused.push(refuse(&message, help));
                continue;
            }
        };
        match read_bounded(&path) {
            Ok(bytes) if bytes.len() > bytes_left => {
                return Err(format!("holds more than {} MiB", MAX_BYTES >> 20));
            }
            Ok(bytes) => {
                bytes_left -= bytes.len();
                match parse(&path, id, &bytes, env) {
                    Ok(file) => own.files.push(file),
                    Err(errors) => own.refused.push(errors),
                }
            }
            Err(error) => own.refused.push(refuse(
                &format!("cannot be read: {error}"),
                "let the service's user read it, or take it out",
            )),
        }
    }
    Ok(own)
}

/// The files of a directory in order. Whatever begins with a dot is somebody else's.
fn listed(dir: &Path, most: usize) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    let entries = std::fs::read_dir(dir).map_err(|error| format!("cannot be read: {error}"))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("cannot be read: {error}"))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if paths.len() == most {
            return Err(format!("holds more than limits.max_tenants ({most}) files"));
        }
        paths.push(entry.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Whose file it is, by its name.
fn tenant_of(path: &Path) -> Result<ProjectId, (String, &'static str)> {
    const HELP: &str = "name it `<project id>.yaml`, or begin its name with a dot if it is no tenant's";
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
    let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_yaml);
    let Some(id) = stem.and_then(ProjectId::new) else {
        return Err(("is not named like a tenant's file".to_owned(), HELP));
    };
    if MEANINGS.contains(&id.as_str()) {
        let help = "a tenant cannot have this project id; the key belongs into the section `tenants`";
        return Err((format!("`{id}` is a key of `tenants`"), help));
    }
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(("is not a file".to_owned(), HELP)),
        // What cannot be looked at cannot be read either, and is reported then.
        Ok(_) | Err(_) => Ok(id),
    }
}

fn parse(path: &Path, id: ProjectId, bytes: &[u8], env: &Env<'_>) -> Result<OwnFile, ConfigErrors> {
    let name = path.display().to_string();
    let text = text_of(&name, bytes)?.to_owned();
    let mut problems = Problems::new();
    let mut document = node::parse(&text, &mut problems);
    if document.root.as_ref().is_none_or(Node::is_null) && problems.is_empty() {
        // Half of a file is often none of it.
        let help = "write `{}` into it for a tenant that is as `tenants.defaults` says";
        problems.add(FIRST, "the file is empty", help);
    }
    let key = join("tenants", id.as_str());
    if let Some(root) = &mut document.root {
        interpolate_tenant(root, &key, env, &mut problems);
    }
    let tenant = section::read(document.root.as_ref(), &key, &mut problems);
    Ok(OwnFile { id, tenant, document, problems, name, text })
}
