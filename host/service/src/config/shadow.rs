//! Shadows in the configuration: a tenant's next chain beside the present one, and what all shadows
//! together may take.

use super::leaf::{count, size};
use super::node::{Data, Node};
use super::plugins::{Chain, PluginRef};
use super::report::Problems;
use super::section::section;
use super::units::{GIB, MIB};

section! {
    /// What shadows may take beside the chains that store. What is more than that is not compared.
    pub ShadowLimits {
        /// Batches that they see at a time; each may take as much memory as a worker.
        slots: u32 = count().within(1, 64).or(1),
        /// Of one core, what a slot may take: it rests in between.
        cpu_percent: u32 = count().within(1, 100).or(25),
        /// Batches that may wait.
        queue_batches: u32 = count().within(1, 100_000).or(64),
        /// And their bytes.
        queue_bytes: u64 = size().within(MIB, 64 * GIB).or(16 * MIB),
    }
}

section! {
    /// A chain that runs beside the tenant's own, on a share of its sessions. What it answers is
    /// compared, counted, and thrown away: `plugin status`, `plugin promote`.
    pub(super) ShadowFile {
        /// Percent of the sessions; which, is decided by their ids.
        share: u8 = count().within(0, 100).or(10),
        /// All plugins of that chain, in order.
        plugins: Option<Vec<PluginRef>> = Chain,
    }
}

/// A chain that is only compared.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowRef {
    /// Percent of the sessions, up to 100.
    pub share_percent: u8,
    /// Its plugins, in order; at least one.
    pub plugins: Vec<PluginRef>,
}

/// Checks what the file says of a tenant's shadow.
pub(super) fn resolve(
    file: &ShadowFile,
    tenant: &str,
    own_chain: bool,
    node: Option<&Node>,
    problems: &mut Problems,
) -> Option<ShadowRef> {
    let at = node.map(|node| node.span);
    if !own_chain {
        let message = format!("tenants.{tenant}.shadow: the tenant has no chain of its own to compare with");
        problems.add_at(
            at,
            &message,
            "write its `plugins` and `chain_revision` too, or move the shadow to the defaults",
        );
    }
    let plugins = file.plugins.clone().unwrap_or_default();
    // What is wrong with an entry, or with what is no list, was said already.
    let written = node.and_then(|node| node.get("plugins"));
    if written.is_none_or(|written| matches!(&written.data, Data::Seq(items) if items.is_empty())) {
        let message = format!("tenants.{tenant}.shadow.plugins: a shadow is a chain of at least one plugin");
        problems.add_at(at, &message, "list the whole chain as it would be, or leave `shadow` out");
    }
    Some(ShadowRef { share_percent: file.share, plugins })
}
