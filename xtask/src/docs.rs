//! `cargo xtask docs`: the Registry's documentation, rendered from the schemas, the examples and short texts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use acceptance::workspace_root;
use anyhow::{Context as _, Result, bail};
use terraform_plugin::schema::{self, Schema};

use crate::function_page;

/// Options of `cargo xtask docs`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Writes nothing; fails if a page is out of date.
    #[arg(long)]
    check: bool,
}

/// Writes or checks the pages.
pub fn run(arguments: &Arguments) -> Result<()> {
    let root = workspace_root();
    let mut stale = Vec::new();
    for (file, content) in pages(root)? {
        let path = root.join("docs").join(&file);
        let current = std::fs::read_to_string(&path).unwrap_or_default();
        if current == content {
            continue;
        }
        if arguments.check {
            stale.push(file.display().to_string());
            continue;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, content).with_context(|| format!("can't write {}", path.display()))?;
        println!("wrote docs/{}", file.display());
    }
    if !stale.is_empty() {
        bail!("out of date: {}; run `cargo xtask docs`", stale.join(", "));
    }
    Ok(())
}

/// Every page by its path below `docs/`.
fn pages(root: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let schemas = terraform_provider_c8::server().schemas();
    let mut pages = BTreeMap::new();
    let usage = |kind: &str, name: &str, file: &str| {
        std::fs::read_to_string(root.join("examples").join(kind).join(name).join(file)).ok()
    };
    let provider = usage("provider", "", "provider.tf");
    pages.insert(PathBuf::from("index.md"), page("c8 Provider", "", &schemas.provider, provider.as_deref(), None));
    for (name, schema) in &schemas.resources {
        let example = usage("resources", name, "resource.tf")
            .with_context(|| format!("examples/resources/{name}/resource.tf is missing"))?;
        let import = usage("resources", name, "import.sh");
        let file = format!("resources/{}.md", name.trim_start_matches("c8_"));
        pages.insert(file.into(), page(&format!("{name} (Resource)"), name, schema, Some(&example), import.as_deref()));
    }
    for (name, schema) in &schemas.data_sources {
        let example = usage("data-sources", name, "data-source.tf")
            .with_context(|| format!("examples/data-sources/{name}/data-source.tf is missing"))?;
        let file = format!("data-sources/{}.md", name.trim_start_matches("c8_"));
        pages.insert(file.into(), page(&format!("{name} (Data Source)"), name, schema, Some(&example), None));
    }
    for (name, signature) in &schemas.functions {
        let example = usage("functions", name, "function.tf")
            .with_context(|| format!("examples/functions/{name}/function.tf is missing"))?;
        pages.insert(format!("functions/{name}.md").into(), function_page::render(name, signature, &example));
    }
    Ok(pages)
}

fn page(title: &str, name: &str, schema: &Schema, example: Option<&str>, import: Option<&str>) -> String {
    let description = schema.block.description.trim();
    let first = description.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let mut text = format!(
        "---\npage_title: \"{title}\"\nsubcategory: \"\"\ndescription: |-\n  {first}\n---\n\n# {title}\n\n{description}\n"
    );
    if let Some(example) = example {
        text.push_str(&format!("\n## Example Usage\n\n```terraform\n{}\n```\n", example.trim_end()));
    }
    text.push_str(&format!(
        "\n<!-- generated from the schema: edit the doc comments in `schemas/` and run `cargo xtask docs` -->\n\n{}\n",
        schema::markdown(&schema.block).trim_end()
    ));
    if let Some(import) = import {
        text.push_str(&format!(
            "\n## Import\n\n`{name}` is imported by its ID:\n\n```shell\n{}\n```\n",
            import.trim_end()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `UPDATE_GOLDEN=1` writes them, as `cargo xtask docs` does.
    #[test]
    fn the_pages_are_those_of_the_schemas() {
        run(&Arguments { check: std::env::var_os("UPDATE_GOLDEN").is_none() }).unwrap();
    }
}
