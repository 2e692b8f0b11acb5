//! Walking the tree in the order of keys.

use std::fs;
use std::io;
use std::path::Path;

use super::files::is_absent;
use super::key::{is_key, is_segment};

/// What is asked for.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) prefix: &'a str,
    pub(super) after: Option<&'a str>,
    pub(super) limit: usize,
}

/// Calls `take` with the keys that match, ascending, until it has taken `limit`; `take` says whether
/// it took one. In memory are the names of one folder at each level.
pub(super) fn walk(
    root: &Path,
    page: Page<'_>,
    take: &mut dyn FnMut(&str) -> io::Result<bool>,
) -> io::Result<()> {
    let mut left = page.limit;
    if left == 0 {
        return Ok(());
    }
    folder(root, "", page, &mut left, take)
}

fn folder(
    path: &Path,
    above: &str,
    page: Page<'_>,
    left: &mut usize,
    take: &mut dyn FnMut(&str) -> io::Result<bool>,
) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if is_absent(&error) => return Ok(()),
        entries => entries?,
    };
    // With its slash a folder's name sorts as the keys below it do.
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_segment(&name) {
            continue;
        }
        if kind.is_dir() {
            names.push(name + "/");
        } else if kind.is_file() {
            names.push(name);
        }
    }
    names.sort_unstable();
    for name in names {
        let key = format!("{above}{name}");
        if let Some(folder_name) = name.strip_suffix('/') {
            if may_hold(&key, page) {
                folder(&path.join(folder_name), &key, page, left, take)?;
            }
        } else if key.starts_with(page.prefix)
            && page.after.is_none_or(|after| key.as_str() > after)
            && is_key(&key)
            && take(&key)?
        {
            *left -= 1;
        }
        if *left == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether a folder (its key ends with a slash) can hold keys of the page.
fn may_hold(folder: &str, page: Page<'_>) -> bool {
    let on_the_way = page.prefix.starts_with(folder) || folder.starts_with(page.prefix);
    // Its keys all begin with its own, so they come before `after` unless that does, or is less.
    on_the_way && page.after.is_none_or(|after| folder > after || after.starts_with(folder))
}
