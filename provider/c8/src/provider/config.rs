//! The provider block, turned into values for the clients. Contacts nothing.

use c8_clients::{
    Secret,
    gcp::{Endpoints, GcpConfig},
};
use c8_schemas::ProviderConfig;
use terraform_plugin::{Attr, Diagnostics, Path};

/// Checks the provider block; what is unknown is accepted.
pub fn validate(config: &ProviderConfig, diags: &mut Diagnostics) {
    if config.credentials.is_known() && config.access_token.is_known() {
        diags.error(
            Path::root().attr("access_token"),
            "Two kinds of credentials",
            "Set either `credentials` or `access_token`, not both.",
        );
    }
    let Some(endpoints) = &config.endpoints else { return };
    let named = [
        ("container", &endpoints.container),
        ("compute", &endpoints.compute),
        ("storage", &endpoints.storage),
        ("iam", &endpoints.iam),
    ];
    for (name, endpoint) in named {
        let Some(endpoint) = endpoint.known() else { continue };
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            diags.error(
                Path::root().attr("endpoints").attr(name),
                "Invalid endpoint",
                format!("`{endpoint}` is not an address. It must begin with `https://` or `http://`."),
            );
        }
    }
}

/// What the Google clients are made from. Values that are unknown at plan count as not set: nothing is contacted then
/// that would need them.
#[must_use]
pub fn gcp(config: &ProviderConfig) -> GcpConfig {
    let text = |attr: &Attr<String>| attr.known().filter(|text| !text.is_empty()).cloned();
    let secret = |attr: &Attr<terraform_plugin::Secret>| {
        let exposed = attr.known().map(terraform_plugin::Secret::expose);
        exposed.filter(|text| !text.is_empty()).cloned().map(Secret::new)
    };
    let endpoints = config.endpoints.as_ref().map_or_else(Endpoints::default, |endpoints| Endpoints {
        container: text(&endpoints.container),
        compute: text(&endpoints.compute),
        storage: text(&endpoints.storage),
        iam: text(&endpoints.iam),
    });
    GcpConfig {
        project: text(&config.project),
        credentials: secret(&config.credentials),
        access_token: secret(&config.access_token),
        endpoints,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use c8_schemas::Endpoints as EndpointsBlock;

    use super::*;

    fn text(value: &str) -> Attr<String> {
        Attr::Known(value.to_owned())
    }

    #[test]
    fn bad_blocks_are_refused() {
        let config = ProviderConfig {
            credentials: "{}".into(),
            access_token: "t".into(),
            endpoints: Some(EndpointsBlock { iam: text("localhost:1"), compute: Attr::Unknown, ..Default::default() }),
            ..Default::default()
        };
        let mut diags = Diagnostics::default();
        validate(&config, &mut diags);
        let found: Vec<_> = diags.iter().map(|diagnostic| diagnostic.summary.as_str()).collect();
        assert_eq!(found, ["Two kinds of credentials", "Invalid endpoint"]);
    }

    #[test]
    fn secrets_are_not_printed() {
        let config =
            ProviderConfig { credentials: "hunter2".into(), access_token: "hunter3".into(), ..Default::default() };
        let clients = gcp(&config);
        let made = clients.credentials.as_ref().zip(clients.access_token.as_ref());
        assert_eq!(made.map(|(a, b)| (a.expose().as_str(), b.expose().as_str())), Some(("hunter2", "hunter3")));
        let printed =
            format!("{config:?} {config:#?} {clients:?} {clients:#?} {:?}", crate::provider::C8::new(gcp(&config)));
        assert!(!printed.contains("hunter"), "{printed}");
    }
}
