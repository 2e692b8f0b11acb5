//! Object stores: the one for sessions, and what registries of plugins are reached with.

use super::node::Node;
use super::places::Place;
use super::plugins::{Plugins, RegistryS3File};
use super::resolve::{Resolver, defaults};
use super::rules::AWS;
use super::settings::S3;
use super::stores::MinioFile;
use super::tenants::{Tenant, Tenants};

impl Resolver<'_> {
    /// The store of a section.
    pub(super) fn s3(&mut self, section: &str, file: MinioFile) -> S3 {
        let key = |name: &str| format!("{section}.{name}");
        let access =
            self.secret(&key("access_key"), file.access_key.clone(), file.access_key_file.as_deref());
        let secret =
            self.secret(&key("secret_key"), file.secret_key.clone(), file.secret_key_file.as_deref());
        let names = ["access_key", "secret_key"];
        let given = names.map(|n| self.has(&key(n)) || self.has(&key(&format!("{n}_file"))));
        if given[0] != given[1] {
            let (there, missing) = if given[0] { (names[0], names[1]) } else { (names[1], names[0]) };
            let message = format!("there is `{there}` but no `{missing}`");
            self.wrong(section, &message, "give both, or neither to use the AWS credential chain");
        }
        for (name, value) in names.iter().zip([&access, &secret]) {
            let null = self.root.at(&key(name)).is_some_and(Node::is_null);
            if null || value.as_ref().is_some_and(|v| v.expose().is_empty()) {
                let help = "is its variable set? Without any keys the AWS credential chain is asked";
                self.wrong(&key(name), "is empty", help);
            }
        }
        if file.endpoint.is_none() && !self.has(&key("endpoint")) {
            let help = "write host and port: `endpoint: minio:9000`, or `aws`";
            self.wrong(&key("endpoint"), "is missing", help);
        }
        let scheme = if file.use_ssl { "https" } else { "http" };
        let own = file.endpoint.as_ref().filter(|endpoint| *endpoint != AWS);
        S3 {
            url: own.map(|endpoint| format!("{scheme}://{endpoint}")),
            credentials: access.zip(secret),
            bucket: file.bucket.clone(),
            region: file.region.clone(),
            file,
        }
    }

    /// What registries in buckets are reached with: their own section, else that of the sessions' store.
    pub(super) fn registry_s3(&mut self, plugins: &Plugins, sessions: Option<&S3>) -> Option<S3> {
        let Some(own) = plugins.s3.clone() else { return sessions.cloned() };
        let RegistryS3File {
            endpoint,
            access_key,
            access_key_file,
            secret_key,
            secret_key_file,
            region,
            use_ssl,
        } = own;
        let bounds = sessions.map_or_else(defaults, |sessions| sessions.file.clone());
        let file = MinioFile {
            endpoint,
            access_key,
            access_key_file,
            secret_key,
            secret_key_file,
            region,
            use_ssl,
            ..bounds
        };
        Some(self.s3("plugins.s3", file))
    }

    /// Where components are looked for: the directory, unless only registries are named, and those.
    pub(super) fn plugin_places(&self, plugins: &Plugins) -> Vec<Place> {
        let is_meant = plugins.registries.is_empty() || self.has("plugins.dir");
        let dir = is_meant.then(|| Place::Dir(plugins.dir.clone()));
        dir.into_iter().chain(plugins.registries.iter().cloned()).collect()
    }

    /// A registry in a bucket needs to be reached.
    pub(super) fn registries(&mut self, plugins: &Plugins, tenants: &Tenants, s3: Option<&S3>) {
        if s3.is_some() {
            return;
        }
        let help = "add a section `plugins.s3` with endpoint, access_key and secret_key";
        if plugins.registries.iter().any(Place::is_remote) {
            return self.wrong("plugins.registries", "`s3://` needs to know where", help);
        }
        let mut chains = tenants.all().flat_map(Tenant::components);
        if let Some(plugin) = chains.find(|plugin| plugin.from.as_ref().is_some_and(Place::is_remote)) {
            let message = format!("`{}` comes from `s3://`, which needs to know where", plugin.name);
            self.wrong("plugins", &message, help);
        }
    }

    pub(super) fn number_of_tenants(&mut self, tenants: &Tenants, most: u32) {
        let count = tenants.listed.len();
        if count > most as usize {
            let message = format!("{count} tenants are listed, {most} may be");
            self.wrong("limits.max_tenants", &message, "raise it, or list fewer");
        }
    }
}
