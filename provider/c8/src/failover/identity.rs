//! The resource's ID, which holds enough to import it without contact: in an outage the state may be lost too.

use c8_schemas::{failover::Failover as Model, topology::Place};
use terraform_plugin::{Attr, Fault};

use crate::installation::{self, Installation};

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
    Ok(Model {
        id: Attr::Known(id.to_owned()),
        regions: installation::import::regions(id)?,
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
}
