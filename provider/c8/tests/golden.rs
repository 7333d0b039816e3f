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

/// Names, flags, defaults; and that each attribute has a description that ends with a period.
#[test]
fn the_schemas_are_sound_and_described() {
    assert_eq!(terraform_provider_c8::server().schemas().problems(), [""; 0]);
}

#[test]
fn what_is_sensitive_stays_so() {
    let schemas = terraform_provider_c8::server().schemas();
    let sensitive = |schema: &terraform_plugin::Schema| -> Vec<String> {
        let attributes = schema.block.attributes.iter().filter(|attribute| attribute.sensitive);
        attributes.map(|attribute| attribute.name.clone()).collect()
    };
    assert_eq!(sensitive(&schemas.provider), ["credentials", "access_token"]);
    // no key material in any state
    for (name, schema) in schemas.resources.iter().chain(&schemas.data_sources) {
        assert_eq!(sensitive(schema), [""; 0], "{name}");
    }
}

#[test]
fn each_resource_and_data_source_has_an_example() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let schemas = terraform_provider_c8::server().schemas();
    let resources = schemas.resources.keys().map(|name| ("resource", name, format!("resources/{name}/resource.tf")));
    let data = schemas.data_sources.keys().map(|name| ("data", name, format!("data-sources/{name}/data-source.tf")));
    for (kind, name, file) in resources.chain(data) {
        let text = fs::read_to_string(examples.join(&file)).unwrap_or_else(|error| panic!("examples/{file}: {error}"));
        assert!(text.contains(&format!("{kind} \"{name}\"")), "examples/{file} has no `{name}`");
    }
    assert!(examples.join("provider/provider.tf").is_file());
}

fn first_difference(golden: &str, dump: &str) -> String {
    let pair = golden.lines().zip(dump.lines()).enumerate().find(|(_, (golden, dump))| golden != dump);
    pair.map_or_else(
        || "one is longer than the other".to_owned(),
        |(line, (golden, dump))| format!("line {}:\n- {golden}\n+ {dump}", line + 1),
    )
}
