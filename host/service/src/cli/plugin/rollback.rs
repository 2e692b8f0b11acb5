//! `plugin rollback`: the chain that the tenant had before, under a new number: copies of the present one
//! must not win over it.

use std::path::Path;

use super::ChangeArgs;
use super::change::Target;
use crate::cli::{CliError, Exit};

pub(super) fn rollback(config: Option<&Path>, args: &ChangeArgs) -> Result<Exit, CliError> {
    let target = Target::load(config, &args.tenant)?;
    let name = &args.tenant;
    let refuse = |why: String| Err(CliError::failed(why));
    match target.revisions.previous(name) {
        None => refuse(format!(
            "no chain of `{name}` before the present one is remembered: chains are, once a service has run them"
        )),
        Some([]) => refuse(format!(
            "before its present chain `{name}` had none, and everything was stored as it came; if that is meant, \
             write `plugins: []` under a higher chain_revision yourself"
        )),
        Some(_)
            if target.revisions.known(name).is_some_and(|known| known.came_back)
                && !(args.yes || args.print) =>
        {
            refuse(format!(
                "nothing was changed: the chain before the present one of `{name}` is the one that was gone back \
                 from\nsay --yes if that is meant to come back"
            ))
        }
        Some(plugins) => target.change(plugins, false, args.print),
    }
}
