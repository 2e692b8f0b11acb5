//! Where a plugin's component comes from, and the copy of it that is kept.
//!
//! **The rule.** A component is named by its plugin and pinned by its sha256. In a directory, or below the
//! prefix of a bucket, it is looked for as
//!
//! 1. `<name>/<sha256>.wasm`,
//! 2. `<name>-<first 12 digits of the sha256>.wasm`,
//! 3. `<name>.wasm`,
//!
//! so that any number of versions can lie side by side, and one that is alone needs no digits. Only a file
//! that has the pinned hash is taken, whatever its name. A plugin with `from` is looked for there alone;
//! any other in `plugins.dir` and then in each of `plugins.registries`; with registries and no `dir` in the
//! config, in those alone.
//!
//! **The copy.** What was found is copied into a private directory, by its hash (`store`), and that copy is
//! what is compiled and run: a registry that goes away, or a file that is overwritten by the next version,
//! changes nothing for the chains that run. When no place has the component and one of them cannot be
//! asked, the copy serves, and everybody hears of it; without a copy the chain is refused. Places that
//! answer, and do not have it, are no reason to take the copy: the config asks for what is not there.

mod look;
mod store;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Place, PluginRef, Settings};
use look::{Look, spellings};
use store::Store;

/// An object store as registries use it. Blocks.
pub trait Remote: Send + Sync {
    /// The size of an object, bytes; `None` if there is none.
    fn size(&self, bucket: &str, key: &str) -> Result<Option<u64>, String>;
    /// Its bytes; an error if they are more than `max_bytes`.
    fn get(&self, bucket: &str, key: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, String>;
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The plugin's name in the config.
    pub name: String,
    /// The component's sha256, lower-case hexadecimal.
    pub sha256: String,
    /// The only place, if the config names one.
    pub from: Option<Place>,
    /// The longest that it may be, bytes.
    pub max_bytes: u64,
}

/// A component that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The private copy.
    pub path: PathBuf,
    /// Why the copy serves though no place has the component.
    pub away: Option<String>,
}

/// Why there is no component. The text is for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What was looked for, where, and what to do.
    pub why: String,
    /// Whether some place could not be asked: later it may be found.
    pub away: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// All places of a config, and the private copies.
pub struct Registry {
    places: Vec<Place>,
    store: Store,
    kept_bytes: u64,
    max_bytes: u64,
    remote: Option<Arc<dyn Remote>>,
}

impl Registry {
    /// The places of the config. `remote` is asked only if one is in a bucket.
    pub fn new(settings: &Settings, remote: Option<Arc<dyn Remote>>) -> Self {
        let plugins = &settings.plugins;
        Self {
            places: settings.plugin_places.clone(),
            store: Store::new(&plugins.cache_dir),
            kept_bytes: plugins.kept_bytes,
            // The sandbox looks at what a plugin of its class may have.
            max_bytes: plugins.limits.component_bytes.max(plugins.script_limits.component_bytes),
            remote,
        }
    }

    /// The component of a chain's entry.
    pub fn wanted(&self, plugin: &PluginRef) -> Wanted {
        Wanted {
            name: plugin.name.clone(),
            sha256: plugin.sha256.clone(),
            from: plugin.from.clone(),
            max_bytes: self.max_bytes,
        }
    }

    /// Finds the component and copies it, or takes the copy if a place is away. Blocks.
    pub fn fetch(&self, wanted: &Wanted) -> Result<Component, Missing> {
        let kept = self.store.get(&wanted.sha256, wanted.max_bytes);
        match (self.look_for(wanted, kept.is_some())?, kept) {
            (Found::Here | Found::Bytes(_), Some(path)) => Ok(Component { path, away: None }),
            (Found::Bytes(bytes), None) => {
                let path = self.store.put(&wanted.sha256, &bytes).map_err(|error| {
                    let dir = self.store.dir().display();
                    Missing { why: format!("cannot be kept in {dir}: {error}"), away: false }
                })?;
                Ok(Component { path, away: None })
            }
            (Found::Away(why), Some(path)) => Ok(Component { path, away: Some(why) }),
            // Only what is kept is taken without its bytes.
            (Found::Here, None) => Err(Missing { why: "the copy is gone".to_owned(), away: false }),
            (Found::Away(why), None) => {
                Err(Missing { why: format!("{why}; and no copy of it is kept"), away: true })
            }
        }
    }

    /// Whether [`Self::fetch`] would find it, and what place cannot be asked; changes nothing. Blocks.
    pub fn look(&self, wanted: &Wanted) -> Result<Option<String>, Missing> {
        let is_kept = self.store.get(&wanted.sha256, wanted.max_bytes).is_some();
        match self.look_for(wanted, is_kept)? {
            Found::Here | Found::Bytes(_) => Ok(None),
            Found::Away(why) if is_kept => Ok(Some(why)),
            Found::Away(why) => Err(Missing { why: format!("{why}; and no copy of it is kept"), away: true }),
        }
    }

    /// Removes copies that are not `used`, until the rest fits; how many.
    pub fn clean(&self, used: &HashSet<&str>) -> usize {
        self.store.clean(used, self.kept_bytes)
    }

    /// Local files whose change may bring a component that is waited for.
    pub fn local_files(&self, wanted: &Wanted) -> Vec<PathBuf> {
        let files = |place: &Place| match place {
            Place::Dir(dir) => spellings(wanted).into_iter().map(|name| dir.join(name)).collect(),
            Place::File(path) => vec![path.clone()],
            Place::Bucket { .. } | Place::Object { .. } => Vec::new(),
        };
        self.places_of(wanted).flat_map(files).collect()
    }

    /// Whether nothing has it yet and a bucket may have it later, which no file will tell. Blocks.
    pub fn may_come_unseen(&self, wanted: &Wanted) -> bool {
        self.places_of(wanted).any(Place::is_remote) && self.look(wanted).is_err()
    }

    /// Every place of the config, and why it cannot be asked, if so. Blocks.
    pub fn reach(&self) -> Vec<(&Place, Result<(), String>)> {
        let remote = self.remote.as_deref();
        self.places.iter().map(|place| (place, look::reach(place, remote))).collect()
    }

    fn places_of<'a>(&'a self, wanted: &'a Wanted) -> impl Iterator<Item = &'a Place> {
        let (all, one) = match &wanted.from {
            Some(one) => (&[][..], Some(one)),
            None => (&*self.places, None),
        };
        all.iter().chain(one)
    }

    fn look_for(&self, wanted: &Wanted, is_kept: bool) -> Result<Found, Missing> {
        let (mut absent, mut away) = (Vec::new(), Vec::new());
        for place in self.places_of(wanted) {
            match look::look(place, wanted, is_kept, self.remote.as_deref()) {
                Look::Here => return Ok(Found::Here),
                Look::Bytes(bytes) => return Ok(Found::Bytes(bytes)),
                Look::Absent => absent.push(place.to_string()),
                Look::Another(why) => absent.push(why),
                Look::Away(why) => away.push(why),
            }
        }
        if !away.is_empty() {
            return Ok(Found::Away(away.join("; ")));
        }
        let names = spellings(wanted);
        let [.., plain] = &names;
        let named = match &wanted.from {
            Some(from @ (Place::File(_) | Place::Object { .. })) => from.to_string(),
            _ => plain.clone(),
        };
        let why = format!(
            "no {named} with the sha256 that the config wants ({}…), looked at: {}; pin what was reviewed, and is \
             `plugins.dir` right?",
            short(&wanted.sha256),
            absent.join(", ")
        );
        Err(Missing { why, away: false })
    }
}

/// What all places together say.
enum Found {
    /// One has it, and the copy is good.
    Here,
    /// One has it.
    Bytes(Vec<u8>),
    /// None has it, and some cannot be asked.
    Away(String),
}

/// The digits that tell versions apart.
fn short(sha256: &str) -> &str {
    sha256.get(..look::SHORT_DIGITS).unwrap_or(sha256)
}
