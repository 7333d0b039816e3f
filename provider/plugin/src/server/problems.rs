//! What is wrong with a provider before anybody uses it.

use super::Server;
use crate::Provider;

impl<P: Provider> Server<P> {
    /// What is wrong with this provider, for a test that expects nothing: all [`ProviderSchemas::problems`], and what doesn't
    /// fit together.
    ///
    /// [`ProviderSchemas::problems`]: super::ProviderSchemas::problems
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.schemas().problems();
        self.upgrade_problems(&mut problems);
        for target in self.moves.iter().map(|one| one.target()) {
            if !self.resources.contains_key(target) {
                problems.push(format!("{target}: a move makes one of it, but there is no such resource"));
            }
        }
        for name in self.identities.keys().filter(|name| !self.resources.contains_key(*name)) {
            problems.push(format!("{name}: it has an identity, but there is no such resource"));
        }
        for name in self.lists.keys().filter(|name| !self.identities.contains_key(*name)) {
            problems.push(format!("{name}: it is listed, but has no identity"));
        }
        self.name_problems(&mut problems);
        problems
    }

    fn upgrade_problems(&self, problems: &mut Vec<String>) {
        for (name, chain) in &self.upgrades {
            let Some(resource) = self.resources.get(name) else {
                problems.push(format!("{name}: its state is upgraded, but there is no such resource"));
                continue;
            };
            let version = resource.schema().version;
            if chain.newest != version {
                problems.push(format!("{name}: the upgrades end with version {}, not {version}", chain.newest));
            }
            if chain.first < 0 {
                problems.push(format!("{name}: the upgrades begin with version {}", chain.first));
            }
        }
    }

    /// Terraform finds the provider of a type by what the type's name begins with.
    fn name_problems(&self, problems: &mut Vec<String>) {
        let provider = self.address.rsplit('/').next().unwrap_or(&self.address);
        let types = self.resources.keys().chain(self.data_sources.keys()).chain(self.ephemerals.keys());
        for name in types.chain(self.lists.keys()).chain(self.actions.keys()) {
            let begins = name.strip_prefix(provider).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
            if !begins {
                problems.push(format!("{name}: the name of a type begins with that of the provider, `{provider}_`"));
            }
        }
        for name in self.resources.keys().chain(self.functions.keys()).chain(self.actions.keys()) {
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
                problems.push(format!("{name}: a name has lower case letters, digits and underscores"));
            }
        }
    }
}
