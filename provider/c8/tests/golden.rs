//! The schema as Terraform sees it, compared with the dump that is checked in: a change of it is a change for users.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{fs, path::Path};

use terraform_plugin::schema::{Block, Field};

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

/// Names, flags, defaults; that upgrades, moves and identities fit; and that each attribute has a description that ends with a period.
#[test]
fn the_provider_is_sound_and_described() {
    assert_eq!(terraform_provider_c8::server().problems(), [""; 0]);
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

/// Every thing of every kind has an example that uses it, and every resource says how it is imported.
#[test]
fn everything_has_an_example_and_resources_an_import() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let schemas = terraform_provider_c8::server().schemas();
    let mut files = vec![("provider/provider.tf".to_owned(), "provider \"c8\"".to_owned())];
    for name in schemas.resources.keys() {
        files.push((format!("resources/{name}/resource.tf"), format!("resource \"{name}\"")));
        files.push((format!("resources/{name}/import.sh"), format!("terraform import {name}.")));
    }
    for name in schemas.data_sources.keys() {
        files.push((format!("data-sources/{name}/data-source.tf"), format!("data \"{name}\"")));
    }
    for name in schemas.functions.keys() {
        files.push((format!("functions/{name}/function.tf"), format!("provider::c8::{name}(")));
    }
    for (file, part) in files {
        let text = fs::read_to_string(examples.join(&file)).unwrap_or_else(|error| panic!("examples/{file}: {error}"));
        assert!(text.contains(&part), "examples/{file} has no `{part}`");
    }
}

/// Walks everything that a user can write or read, down to the fields of objects.
#[test]
fn everything_is_described_in_sentences() {
    let schemas = terraform_provider_c8::server().schemas();
    let mut texts = Vec::new();
    let all = schemas.resources.iter().chain(&schemas.data_sources).map(|(name, schema)| (name.as_str(), schema));
    for (name, schema) in all.chain([("the provider", &schemas.provider)]) {
        described(name, &schema.block, &mut texts);
    }
    for (name, function) in &schemas.functions {
        texts.push((format!("{name}()"), function.description.clone()));
        for one in function.parameters.iter().chain(&function.variadic) {
            texts.push((format!("{name}({})", one.name), one.description.clone()));
            fields(&format!("{name}({})", one.name), &one.fields, &mut texts);
        }
        fields(&format!("{name}() →"), &function.fields, &mut texts);
    }
    // a walk that finds nothing would find nothing wrong
    assert!(texts.len() > 150, "{}", texts.len());
    let bad = texts.iter().filter(|(_, text)| {
        let starts = text.chars().next().is_some_and(|first| first.is_uppercase() || first == '`');
        !starts || !text.trim_end().ends_with('.') || text.contains("TODO")
    });
    assert_eq!(bad.collect::<Vec<_>>(), Vec::<&(String, String)>::new());
}

fn described(path: &str, block: &Block, texts: &mut Vec<(String, String)>) {
    texts.push((path.to_owned(), block.description.clone()));
    for attribute in &block.attributes {
        let path = format!("{path}.{}", attribute.name);
        texts.push((path.clone(), attribute.description.clone()));
        fields(&path, &attribute.fields, texts);
    }
    for nested in &block.blocks {
        described(&format!("{path}.{}", nested.name), &nested.block, texts);
    }
}

fn fields(path: &str, all: &[Field], texts: &mut Vec<(String, String)>) {
    for field in all {
        let path = format!("{path}.{}", field.name);
        texts.push((path.clone(), field.description.clone()));
        fields(&path, &field.fields, texts);
    }
}

/// The pages in `docs/` are those of this schema: nothing is missing, and nothing is left of what is gone.
#[test]
fn everything_has_a_page_and_no_page_is_left_over() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let schemas = terraform_provider_c8::server().schemas();
    let short = |name: &String| name.trim_start_matches("c8_").to_owned();
    let expected = [
        ("resources", schemas.resources.keys().map(short).collect::<Vec<_>>()),
        ("data-sources", schemas.data_sources.keys().map(short).collect()),
        ("functions", schemas.functions.keys().cloned().collect()),
    ];
    for (folder, expected) in expected {
        let pages = fs::read_dir(docs.join(folder)).unwrap_or_else(|error| panic!("docs/{folder}: {error}"));
        let name = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_string_lossy().into_owned();
        let mut pages: Vec<_> = pages.map(|entry| name(entry.unwrap())).collect();
        pages.sort();
        assert_eq!(pages, expected, "docs/{folder}; run `cargo xtask docs`");
    }
}

fn first_difference(golden: &str, dump: &str) -> String {
    let pair = golden.lines().zip(dump.lines()).enumerate().find(|(_, (golden, dump))| golden != dump);
    pair.map_or_else(
        || "one is longer than the other".to_owned(),
        |(line, (golden, dump))| format!("line {}:\n- {golden}\n+ {dump}", line + 1),
    )
}
