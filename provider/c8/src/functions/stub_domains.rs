//! `provider::c8::stub_domains`.

use std::{collections::BTreeMap, net::IpAddr};

use c8_release::names;
use terraform_plugin::{Attr, Function, FunctionFault, Object, Path};

use super::argument::{given, namespaces};

/// What a cluster's DNS forwards to its peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct StubDomains;

/// The peer's DNS, and what it answers for.
#[derive(Clone, Debug, PartialEq, Object)]
pub struct Arguments {
    /// Addresses of the peer cluster's DNS, such as that of its internal load balancer.
    pub addresses: Attr<Vec<String>>,
    /// Namespaces of the peer cluster whose names are to be resolved here.
    pub namespaces: Attr<Vec<String>>,
}

impl Function for StubDomains {
    type Arguments = Arguments;
    type Output = BTreeMap<String, Vec<String>>;

    const NAME: &'static str = "stub_domains";
    const SUMMARY: &'static str = "Stub domains that make a cluster resolve the names of its peer.";
    const DESCRIPTION: &'static str = "Stub domains that make a cluster resolve the names of its peer: for each namespace its domain \
         and the addresses it is forwarded to. `jsonencode(…)` of it is the value of `stubDomains` in the ConfigMap of kube-dns. \
         `c8_dns_chain` does this by itself; the function is for clusters whose DNS is managed elsewhere. Name only the \
         peer's namespaces: a cluster that forwards its own goes in a circle.";
    const VARIADIC: bool = true;

    fn call(&self, arguments: Arguments) -> Result<BTreeMap<String, Vec<String>>, FunctionFault> {
        let addresses = given("addresses", &arguments.addresses)?;
        if addresses.is_empty() {
            return Err(FunctionFault::at(Path::from("addresses"), "must have at least one address"));
        }
        if let Some(index) = addresses.iter().position(|text| text.parse::<IpAddr>().is_err()) {
            return Err(FunctionFault::at(Path::from("addresses").index(index), "must be an IP address"));
        }
        let namespaces = namespaces(&arguments.namespaces)?;
        if namespaces.is_empty() {
            return Err(FunctionFault::new("at least one namespace of the peer is needed"));
        }
        Ok(namespaces.iter().map(|namespace| (names::domain(namespace), addresses.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn domains(addresses: &[&str], namespaces: &[&str]) -> Result<BTreeMap<String, Vec<String>>, String> {
        let owned = |list: &[&str]| Attr::Known(list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let arguments = Arguments { addresses: owned(addresses), namespaces: owned(namespaces) };
        StubDomains.call(arguments).map_err(|fault| fault.to_string())
    }

    #[test]
    fn each_namespace_is_a_domain() {
        let all = domains(&["10.0.0.53", "fd00::53"], &["camunda-ew1", "camunda-ew1-failover"]).unwrap();
        let to = || vec!["10.0.0.53".to_owned(), "fd00::53".to_owned()];
        let expected = [
            ("camunda-ew1-failover.svc.cluster.local".to_owned(), to()),
            ("camunda-ew1.svc.cluster.local".to_owned(), to()),
        ];
        assert_eq!(all, BTreeMap::from(expected));
    }

    #[test]
    fn the_argument_at_fault_is_named() {
        for (addresses, namespaces, expected) in [
            (&[][..], &["a"][..], "addresses: must have at least one address"),
            (&["10.0.0.1", "dns.example.com"], &["a"], "addresses[1]: must be an IP address"),
            (&["10.0.0.1"], &["a", "a.b"], "namespaces[1]: must be a namespace"),
            (&["10.0.0.1"], &[], "at least one namespace of the peer is needed"),
        ] {
            let fault = domains(addresses, namespaces).unwrap_err();
            assert!(fault.starts_with(expected), "{addresses:?}, {namespaces:?}: {fault}");
        }
    }
}
