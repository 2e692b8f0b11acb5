//! A tenant's chain written into the file that the operator wrote: the lines of that chain change, and
//! every other byte stays.

use std::ops::Range;

use serde_json::Value as Json;

use super::node::{self, Data, Key, Node};
use super::plugins::{PluginClass, PluginRef};
use super::report::Problems;

/// What is to stand in the file.
#[derive(Clone, Debug)]
pub struct ChainEdit {
    /// The number of the chain.
    pub revision: u16,
    /// The chain; at least one plugin.
    pub plugins: Vec<PluginRef>,
    /// Whether the tenant's shadow goes.
    pub without_shadow: bool,
}

/// The YAML to put in by hand: what [`with_chain`] would write, below the tenant's name.
pub fn chain_text(tenant: &str, edit: &ChainEdit) -> String {
    let plugins: String =
        edit.plugins.iter().map(|plugin| format!("      - {}\n", plugin_text(plugin))).collect();
    format!("tenants:\n  {tenant}:\n    chain_revision: {}\n    plugins:\n{plugins}", edit.revision)
}

/// `text` with the chain of the tenant at `path`, as `edit` says: `tenants` and its name, or nothing in a
/// tenant's own file. An error
/// says why it cannot be written there; whoever writes the answer reads it as a config first.
pub fn with_chain(text: &str, path: &[&str], edit: &ChainEdit) -> Result<String, String> {
    let mut problems = Problems::new();
    let document = node::parse(text, &mut problems);
    let root = document.root.filter(|_| problems.is_empty()).ok_or("the file is not as it was read")?;
    let name = if path.is_empty() { "this file".to_owned() } else { path.join(".") };
    let tenant = path.iter().try_fold(&root, |node, key| node.get(key));
    let tenant = tenant.ok_or_else(|| format!("`{name}` is not written in this file"))?;
    let writer = Writer { text, tenant, name: &name };
    let mut patches = vec![writer.plugins(&edit.plugins)?, writer.revision(edit.revision)?];
    if edit.without_shadow {
        patches.push(writer.no_shadow()?);
    }
    // From the end, so that no place moves before it is used.
    patches.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.to_owned();
    for (range, new) in patches {
        text.get(range.clone()).ok_or("the file is not as it was read")?;
        text.replace_range(range, &new);
    }
    Ok(text)
}

/// A stretch of the file, and what is to stand there.
type Patch = (Range<usize>, String);

struct Writer<'a> {
    text: &'a str,
    tenant: &'a Node,
    name: &'a str,
}

impl Writer<'_> {
    fn plugins(&self, plugins: &[PluginRef]) -> Result<Patch, String> {
        let (key, value) = self.entry("plugins").ok_or_else(|| {
            format!("`{}` has no `plugins` of its own in this file: it follows `tenants.defaults`", self.name)
        })?;
        let from = self.after_colon(key)?;
        let lines = plugins.iter().map(plugin_text);
        if self.is_flow(self.tenant) {
            let all = format!(" [{}]", lines.collect::<Vec<_>>().join(", "));
            return Ok((from..self.end_of(value), all));
        }
        let indent = " ".repeat(key.span.column + 1);
        let all: String = lines.map(|line| format!("\n{indent}- {line}")).collect();
        // What is said of the old chain's last plugin on its line is not said of the new one's.
        let end = self.end_of(value);
        let rest = self.text.get(end..).unwrap_or_default().split('\n').next().unwrap_or_default();
        let comment = if rest.trim_start().starts_with('#') { rest.len() } else { 0 };
        Ok((from..end + comment, all))
    }

    fn revision(&self, revision: u16) -> Result<Patch, String> {
        if let Some((key, value)) = self.entry("chain_revision") {
            return Ok((self.after_colon(key)?..self.end_of(value), format!(" {revision}")));
        }
        let (key, _) = self.entry("plugins").ok_or("the file is not as it was read")?;
        let before = key.span.start;
        let separator = match self.is_flow(self.tenant) {
            true => ", ".to_owned(),
            false => format!("\n{}", " ".repeat(key.span.column.saturating_sub(1))),
        };
        Ok((before..before, format!("chain_revision: {revision}{separator}")))
    }

    fn no_shadow(&self) -> Result<Patch, String> {
        let (key, value) = self
            .entry("shadow")
            .ok_or_else(|| format!("`{}` has no `shadow` of its own in this file", self.name))?;
        let (start, end) = (key.span.start, self.end_of(value));
        let (before, after) = self.text.split_at_checked(start).ok_or("the file is not as it was read")?;
        let after = after.get(end - start..).unwrap_or_default();
        if self.is_flow(self.tenant) {
            if let Some(rest) = after.trim_start().strip_prefix(',') {
                return Ok((start..self.text.len() - rest.trim_start().len(), String::new()));
            }
            let before = before.trim_end();
            return Ok((before.strip_suffix(',').unwrap_or(before).len()..end, String::new()));
        }
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        if !before.get(line..).unwrap_or_default().trim().is_empty() {
            return Err(format!("`{}.shadow` does not begin a line", self.name));
        }
        let rest = after.find('\n').map_or(after.len(), |at| at + 1);
        Ok((line..end + rest, String::new()))
    }

    fn entry(&self, key: &str) -> Option<&(Key, Node)> {
        self.tenant.entries().iter().find(|(k, _)| k.text == key)
    }

    fn after_colon(&self, key: &Key) -> Result<usize, String> {
        let rest = self.text.get(key.span.end..).unwrap_or_default();
        let colon = rest.find(':').filter(|at| rest.get(..*at).is_some_and(|gap| gap.trim().is_empty()));
        colon.map(|at| key.span.end + at + 1).ok_or_else(|| format!("cannot find `{}` in the file", key.text))
    }

    /// Whether a node is written in braces or brackets.
    fn is_flow(&self, node: &Node) -> bool {
        self.text.get(node.span.start..).is_some_and(|text| text.starts_with(['{', '[']))
    }

    /// Where a value's last character ends: what the parser says of a block goes on to the next key.
    fn end_of(&self, node: &Node) -> usize {
        let last = match &node.data {
            Data::Seq(items) if !self.is_flow(node) => items.last(),
            Data::Map(entries) if !self.is_flow(node) => entries.last().map(|(_, value)| value),
            Data::Scalar(_) | Data::Seq(_) | Data::Map(_) => None,
        };
        match last {
            Some(last) => self.end_of(last),
            None => {
                let (start, end) = (node.span.start, node.span.end);
                start + self.text.get(start..end).unwrap_or_default().trim_end().len()
            }
        }
    }
}

/// One plugin on one line.
fn plugin_text(plugin: &PluginRef) -> String {
    let PluginRef { name, sha256, from, class, config, allow_replace, mask_only } = plugin;
    let mut text = format!("{{ name: {name}, sha256: {sha256}");
    if let Some(place) = from {
        text += &format!(", from: {}", Json::from(place.to_string()));
    }
    if *class != PluginClass::Compiled {
        text += &format!(", class: {class}");
    }
    if *config != Json::Null {
        text += &format!(", config: {}", spaced(config));
    }
    for (key, _) in [("allow_replace", allow_replace), ("mask_only", mask_only)].iter().filter(|(_, is)| **is)
    {
        text += &format!(", {key}: true");
    }
    text + " }"
}

/// JSON, which is YAML too, with a space where people write one.
fn spaced(json: &Json) -> String {
    match json {
        Json::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Json::Object(entries) => {
            let entry =
                |(key, value): (&String, &Json)| format!("{}: {}", Json::from(key.as_str()), spaced(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => json.to_string(),
    }
}
