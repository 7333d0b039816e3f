//! `provider::c8::contact_points`.

use c8_release::{config::is_release, names};
use terraform_plugin::{Attr, Function, FunctionFault, Object, Path};

use super::argument::{cluster_size, namespaces};

/// Where a member of the cluster finds the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContactPoints;

/// How many brokers there are, and how they are called.
#[derive(Clone, Debug, PartialEq, Object)]
pub struct Arguments {
    /// Number of brokers in both regions together; even, at least 4.
    pub cluster_size: Attr<i64>,
    /// Name of the Camunda release in both regions; null for `camunda`.
    #[tf(optional)]
    pub release: Attr<String>,
    /// Namespaces of Camunda in region 0 and in region 1, in this order.
    pub namespaces: Attr<Vec<String>>,
}

impl Function for ContactPoints {
    type Arguments = Arguments;
    type Output = Vec<String>;

    const NAME: &'static str = "contact_points";
    const SUMMARY: &'static str = "Initial contact points of the Zeebe cluster.";
    const DESCRIPTION: &'static str = "Initial contact points of the Zeebe cluster: the internal address of each broker, one of each \
         region in turn, so that a member that starts alone finds a living one whichever region is gone. `join(\",\", …)` of it \
         is what `c8_region` gives to every broker and gateway, and what a gateway of your own needs.";
    const VARIADIC: bool = true;

    fn call(&self, arguments: Arguments) -> Result<Vec<String>, FunctionFault> {
        let size = cluster_size(&arguments.cluster_size)?;
        let release = arguments.release.known().map_or("camunda", String::as_str);
        if !is_release(release) {
            let text = "must have at most 30 lower-case letters, digits and `-`, and begin with a letter";
            return Err(FunctionFault::at(Path::from("release"), text));
        }
        let given = namespaces(&arguments.namespaces)?;
        let count = given.len();
        match <[String; 2]>::try_from(given) {
            Ok(both) => Ok(names::contact_points(release, &both, size)),
            Err(_) if count > 2 => {
                Err(FunctionFault::at(Path::from("namespaces").index(2), "is one too many: there are two regions"))
            }
            Err(_) => Err(FunctionFault::new(format!(
                "the namespaces of both regions are needed, that of region 0 first; {count} given"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn points(release: Option<&str>, namespaces: &[&str]) -> Result<Vec<String>, String> {
        let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        let release = release.map_or(Attr::Null, |name| Attr::Known(name.to_owned()));
        let arguments = Arguments { cluster_size: 4.into(), release, namespaces: namespaces.into() };
        ContactPoints.call(arguments).map_err(|fault| fault.to_string())
    }

    #[test]
    fn regions_take_turns() {
        assert_eq!(
            points(None, &["a", "b"]).unwrap(),
            [
                "camunda-zeebe-0.camunda-zeebe.a.svc.cluster.local:26502",
                "camunda-zeebe-0.camunda-zeebe.b.svc.cluster.local:26502",
                "camunda-zeebe-1.camunda-zeebe.a.svc.cluster.local:26502",
                "camunda-zeebe-1.camunda-zeebe.b.svc.cluster.local:26502",
            ]
        );
        assert!(points(Some("c8"), &["a", "b"]).unwrap()[0].starts_with("c8-zeebe-0.c8-zeebe.a."));
    }

    #[test]
    fn the_argument_at_fault_is_named() {
        for (release, names, expected) in [
            (Some("C8"), &["a", "b"][..], "release: must have at most 30"),
            (None, &["a", "B"], "namespaces[1]: must be a namespace"),
            (None, &["a", "a"], "namespaces[1]: must differ"),
            (None, &["a", "b", "c"], "namespaces[2]: is one too many"),
            (None, &["a"], "the namespaces of both regions are needed"),
            (None, &[], "the namespaces of both regions are needed"),
        ] {
            let fault = points(release, names).unwrap_err();
            assert!(fault.starts_with(expected), "{release:?}, {names:?}: {fault}");
        }
    }
}
