//! Import of `c8_region`: works without contact, so that a lost state can be imported in an outage.

use c8_schemas::{Region, RegionRef};
use terraform_plugin::{Attr, Fault};

/// A first state from `project/location/cluster/namespace` or `kubeconfig/<context>/<namespace>`.
///
/// # Errors
/// The ID has another form.
pub fn import(id: &str) -> Result<Region, Fault> {
    let text = |text: &str| Attr::Known(text.to_owned());
    let parts: Vec<&str> = id.split('/').collect();
    let reference = match parts.as_slice() {
        parts if parts.iter().any(|part| part.is_empty()) => None,
        ["kubeconfig", context, namespace] => {
            Some(RegionRef { kubeconfig_context: text(context), namespace: text(namespace), ..RegionRef::default() })
        }
        [project, location, cluster, namespace] => Some(RegionRef {
            project: text(project),
            location: text(location),
            cluster: text(cluster),
            namespace: text(namespace),
            ..RegionRef::default()
        }),
        _ => None,
    };
    let Some(reference) = reference else {
        return Err(Fault::new(
            "Invalid import ID",
            format!(
                "`{id}` does not name a region. Write `project/location/cluster/namespace`, or `kubeconfig/<context>/<namespace>` \
                 for a cluster of your own."
            ),
        ));
    };
    Ok(Region { id: text(id), r#ref: Attr::Known(reference), ..Region::default() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("p/europe-west4-b/camunda-zero/camunda-ew4", Some("p/europe-west4-b/camunda-zero"))]
    #[case("kubeconfig/ctx/camunda", Some("kubeconfig/ctx"))]
    #[case("camunda-zero", None)]
    #[case("p/l/c/", None)]
    #[case("p/l/c/n/x", None)]
    fn ids_name_a_place(#[case] id: &str, #[case] place: Option<&str>) {
        let model = import(id).ok();
        let found = model.as_ref().map(|model| model.r#ref.known().unwrap().place(None).unwrap().to_string());
        assert_eq!(found.as_deref(), place);
        if let Some(model) = model {
            assert_eq!(model.id, Attr::Known(id.to_owned()));
        }
    }
}
