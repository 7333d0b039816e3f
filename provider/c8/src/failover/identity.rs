//! The resource's ID, which holds enough to import it without contact: in an outage the state may be lost too.

use c8_schemas::{RegionRef, failover::Failover as Model, topology::Place};
use terraform_plugin::{Attr, Fault};

use crate::installation::Installation;

/// `project/location/cluster/namespace,project/location/cluster/namespace`, region 0 first.
pub fn id_of(installation: &Installation) -> String {
    installation
        .regions
        .iter()
        .map(|region| match &region.place {
            // a path would not fit between slashes: it stays out of the ID
            Place::Kubeconfig { context, .. } => {
                format!("kubeconfig/{}/{}", context.as_deref().unwrap_or("current"), region.namespace)
            }
            place @ Place::Gke { .. } => format!("{place}/{}", region.namespace),
        })
        .collect::<Vec<_>>()
        .join(",")
}

/// A first state from an ID. Terraform reads it right after.
///
/// # Errors
/// The ID does not name two regions.
pub fn import(id: &str) -> Result<Model, Fault> {
    let wrong = || {
        Fault::new(
            "Invalid import ID",
            format!(
                "`{id}` does not name two regions. Write `project/location/cluster/namespace` of region 0, a comma, and the \
                 same of region 1; or `kubeconfig/<context>/<namespace>` for a cluster of your own."
            ),
        )
    };
    let parts: Vec<&str> = id.split(',').map(str::trim).collect();
    if parts.len() != 2 {
        return Err(wrong());
    }
    let mut regions = Vec::new();
    for (number, part) in parts.into_iter().enumerate() {
        let fields: Vec<&str> = part.split('/').collect();
        if fields.iter().any(|field| field.is_empty()) {
            return Err(wrong());
        }
        let text = |value: &str| Attr::Known(value.to_owned());
        let mut reference = RegionRef { region_id: Attr::Known(i64::from(number != 0)), ..RegionRef::default() };
        match fields.as_slice() {
            ["kubeconfig", context, namespace] => {
                reference.kubeconfig_context = text(context);
                reference.namespace = text(namespace);
            }
            [project, location, cluster, namespace] => {
                reference.project = text(project);
                reference.location = text(location);
                reference.cluster = text(cluster);
                reference.namespace = text(namespace);
            }
            _ => return Err(wrong()),
        }
        regions.push(Attr::Known(reference));
    }
    Ok(Model {
        id: Attr::Known(id.to_owned()),
        regions: Attr::Known(regions),
        fence: Attr::Known("gcp_firewall".to_owned()),
        ..Model::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn an_id_leads_back_to_the_regions() {
        let id = "p/europe-west4-b/camunda-zero/camunda-ew4,p/europe-west1-b/camunda-one/camunda-ew1";
        let model = import(id).unwrap();
        let installation = Installation::resolve(&model.regions, None).unwrap();
        assert_eq!(id_of(&installation), id);
        assert_eq!(installation.region(1).namespace, "camunda-ew1");
    }

    #[test]
    fn clusters_of_your_own_too() {
        let id = "kubeconfig/zero/a,kubeconfig/one/b";
        let installation = Installation::resolve(&import(id).unwrap().regions, None).unwrap();
        assert_eq!(id_of(&installation), id);
    }

    #[test]
    fn what_names_no_two_regions() {
        for id in ["", "p/l/c/n", "p/l/c/n,", "p/l/c,p/l/c", "a,b,c", "p/l//n,p/l/c/n"] {
            assert!(import(id).is_err(), "{id}");
        }
    }
}
