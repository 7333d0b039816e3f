#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use c8_schemas::RegionRef;
use rstest::rstest;
use terraform_plugin::{Attr, Diagnostics};

use super::{testing::reference, *};

fn text(value: &str) -> Attr<String> {
    Attr::Known(value.to_owned())
}

fn both(zero: RegionRef, one: RegionRef) -> RegionRefs {
    Attr::Known(vec![Attr::Known(zero), Attr::Known(one)])
}

fn errors(regions: &RegionRefs) -> Vec<String> {
    let mut diags = Diagnostics::default();
    check_regions(regions, &mut diags);
    diags.iter().map(|diagnostic| diagnostic.summary.clone()).collect()
}

#[test]
fn order_of_the_list_does_not_matter() {
    let turned = both(reference(1, "b", text("u1")), reference(0, "a", text("u0")));
    assert_eq!(errors(&turned), Vec::<String>::new());
    let installation = Installation::resolve(&turned, None).unwrap();
    assert_eq!(installation.region(0).namespace, "a");
    assert_eq!(installation.region(1).namespace, "b");
    assert_eq!(installation.peer(0).namespace, "b");
    assert_eq!(installation.group, "a-b");
    assert_eq!(installation.region(1).dns_name("c8-here"), "c8-here.b.svc.cluster.local");
}

#[rstest]
#[case::one(Attr::Known(vec![Attr::Known(reference(0, "a", Attr::Null))]), &["Two regions are needed"])]
#[case::same_id(both(reference(1, "a", Attr::Null), reference(1, "b", Attr::Null)), &["Region is named twice"])]
#[case::id_out_of_range(both(reference(0, "a", Attr::Null), reference(2, "b", Attr::Null)), &["Invalid region id"])]
#[case::same_namespace(both(reference(0, "a", Attr::Null), reference(1, "a", Attr::Null)), &["Namespaces must differ"])]
#[case::no_label(both(reference(0, "A_b", Attr::Null), reference(1, "b", Attr::Null)), &["Invalid namespace"])]
#[case::two_clusters(
    both(RegionRef { kubeconfig_context: text("k"), ..reference(0, "a", Attr::Null) }, reference(1, "b", Attr::Null)),
    &["Region names two clusters"]
)]
#[case::half_a_cluster(
    both(RegionRef { cluster: Attr::Null, ..reference(0, "a", Attr::Null) }, reference(1, "b", Attr::Null)),
    &["Region names half of a cluster"]
)]
#[case::groups(
    both(
        RegionRef { group: text("g"), ..reference(0, "a", Attr::Null) },
        RegionRef { group: text("h"), ..reference(1, "b", Attr::Null) },
    ),
    &["Regions of different installations"]
)]
#[case::long_group(
    both(RegionRef { group: text(&"g".repeat(41)), ..reference(0, "a", Attr::Null) }, reference(1, "b", Attr::Null)),
    &["Invalid group"]
)]
#[case::unknown_list(Attr::Unknown, &[])]
#[case::unknown_element(Attr::Known(vec![Attr::Unknown, Attr::Known(reference(1, "b", Attr::Null))]), &[])]
#[case::unknown_uid(both(reference(0, "a", Attr::Unknown), reference(1, "b", Attr::Unknown)), &[])]
fn bad_regions_are_refused(#[case] regions: RegionRefs, #[case] expected: &[&str]) {
    assert_eq!(errors(&regions), expected);
}

#[test]
fn a_missing_project_is_named() {
    let bare = RegionRef { project: Attr::Null, ..reference(0, "a", Attr::Null) };
    let regions = both(bare, reference(1, "b", Attr::Null));
    assert!(errors(&regions).is_empty(), "the provider may have one");
    assert!(Installation::resolve(&regions, Some("p")).is_ok());
    let error = Installation::resolve(&regions, None).unwrap_err();
    assert!(error.to_string().contains("`project` is missing"), "{error}");
}

#[rstest]
#[case::same(reference(1, "b", text("u1")), RegionsChange::None)]
#[case::rebuilt(reference(1, "b", text("u2")), RegionsChange::Rebuilt)]
#[case::to_be_rebuilt(reference(1, "b", Attr::Unknown), RegionsChange::Rebuilt)]
#[case::uid_forgotten(reference(1, "b", Attr::Null), RegionsChange::Rebuilt)]
#[case::other_namespace(reference(1, "c", text("u1")), RegionsChange::Other)]
#[case::other_cluster(RegionRef { cluster: text("x"), ..reference(1, "b", text("u1")) }, RegionsChange::Other)]
#[case::project_from_the_provider(RegionRef { project: Attr::Null, ..reference(1, "b", text("u1")) }, RegionsChange::Rebuilt)]
#[case::unknown_namespace(RegionRef { namespace: Attr::Unknown, ..reference(1, "b", text("u1")) }, RegionsChange::Unknown)]
fn changes_of_regions(#[case] one: RegionRef, #[case] expected: RegionsChange) {
    let prior = both(reference(0, "a", text("u0")), reference(1, "b", text("u1")));
    let planned = both(reference(0, "a", text("u0")), one);
    assert_eq!(regions_change(&prior, &planned), expected);
}
