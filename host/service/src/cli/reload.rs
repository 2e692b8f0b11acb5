//! SIGHUP: the tenants' chains are read anew, checked and compiled first, and then take the place of the
//! old ones. A config that is refused changes nothing. Everything but chains needs a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use replay_sandbox::Sandbox;
use tokio::signal::unix::{SignalKind, signal};

use crate::build;
use crate::chains::Chains;
use crate::config::{Settings, Tenants};

/// Waits for SIGHUP, for ever.
pub(super) async fn reload_on_request(
    config: PathBuf,
    chains: Arc<Chains>,
    tenants: Tenants,
    mut sandbox: Option<Sandbox>,
) {
    let tenants = Arc::new(tenants);
    let mut requests = match signal(SignalKind::hangup()) {
        Ok(requests) => requests,
        Err(error) => return tracing::error!(%error, "cannot listen for SIGHUP: chains need a restart"),
    };
    while requests.recv().await.is_some() {
        tracing::info!("reading the tenants' chains anew");
        let (config, chains, tenants) = (config.clone(), Arc::clone(&chains), Arc::clone(&tenants));
        let done = tokio::task::spawn_blocking(move || {
            let loaded = reload(&config, &chains, &tenants, &mut sandbox);
            (loaded, sandbox)
        });
        match done.await {
            Ok((loaded, kept)) => {
                sandbox = kept;
                match loaded {
                    Ok(()) => tracing::info!("the chains of the config are in place"),
                    Err(why) => tracing::error!("the chains stay as they were:\n{why}"),
                }
            }
            Err(error) => {
                sandbox = None;
                tracing::error!(%error, "the chains stay as they were: reading them ended early");
            }
        }
    }
}

fn reload(
    config: &Path,
    chains: &Chains,
    running: &Tenants,
    sandbox: &mut Option<Sandbox>,
) -> Result<(), String> {
    let env = |name: &str| std::env::var(name).ok();
    let settings = Settings::load(config, &env).map_err(|errors| errors.render(false))?;
    // Who is admitted stays as it was at the start: a tenant that only left the list would be admitted
    // still, and go through the chain of the defaults.
    let (listed, now) = (&running.listed, &settings.tenants.listed);
    if running.unlisted != settings.tenants.unlisted || !listed.keys().eq(now.keys()) {
        return Err("tenants were added or removed, or `unlisted` changed: that needs a restart".to_owned());
    }
    let set = build::chain_set(&settings, sandbox).map_err(|problems| problems.to_string())?;
    chains.replace(set);
    Ok(())
}
