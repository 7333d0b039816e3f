//! The schema as Terraform sees it, compared with the dump that is checked in: a change of it is a change for users.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{fs, path::Path};

#[test]
fn the_schemas_are_those_of_the_golden_dump() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/provider.json");
    let mut dump = serde_json::to_string_pretty(&terraform_provider_c8::server().schemas().to_json()).unwrap();
    dump.push('\n');
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, dump).unwrap();
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == dump,
        "the schemas differ from schemas/provider.json; if that is wanted: UPDATE_GOLDEN=1 cargo test -p \
         terraform-provider-c8 --test golden\n{}",
        first_difference(&golden, &dump)
    );
}

#[test]
fn all_is_documented() {
    let text = serde_json::to_string(&terraform_provider_c8::server().schemas().to_json()).unwrap();
    assert!(!text.contains(r#""description":"""#), "an attribute has no description");
}

fn first_difference(golden: &str, dump: &str) -> String {
    let pair = golden.lines().zip(dump.lines()).enumerate().find(|(_, (golden, dump))| golden != dump);
    pair.map_or_else(
        || "one is longer than the other".to_owned(),
        |(line, (golden, dump))| format!("line {}:\n- {golden}\n+ {dump}", line + 1),
    )
}
