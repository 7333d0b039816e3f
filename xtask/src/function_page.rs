//! A function as the Terraform Registry shows it: the headings and lists of tfplugindocs.

use std::fmt::Write as _;

use terraform_plugin::schema::Field;
use terraform_plugin::{Parameter, Signature, Type};

/// The page of the function `name`.
pub fn render(name: &str, signature: &Signature, example: &str) -> String {
    let mut text = format!(
        "---\npage_title: \"{name} function - c8\"\nsubcategory: \"\"\ndescription: |-\n  {}\n---\n\n# function: {name}\n\n{}\n",
        signature.summary, signature.description
    );
    let _ = write!(text, "\n## Example Usage\n\n```terraform\n{}\n```\n", example.trim_end());
    text.push_str(
        "\n<!-- generated from the signature: edit `provider/c8/src/functions/` and run `cargo xtask docs` -->\n",
    );
    let _ = write!(text, "\n## Signature\n\n```text\n{}\n```\n", line(name, signature));
    text.push_str("\n## Arguments\n\n");
    for parameter in &signature.parameters {
        argument(&mut text, parameter, if parameter.nullable { ", Nullable" } else { "" });
    }
    if let Some(rest) = &signature.variadic {
        argument(&mut text, rest, ", Variadic");
    }
    let _ = write!(text, "\n## Return Type\n\nThe return type of `{name}` is a {}.\n", words(&signature.returns));
    if !signature.fields.is_empty() {
        text.push('\n');
        fields(&mut text, &signature.fields);
    }
    text
}

/// The call with its types, on one line.
fn line(name: &str, signature: &Signature) -> String {
    let fixed = signature.parameters.iter().map(|one| format!("{} {}", one.name, words(&one.ty)));
    let rest = signature.variadic.iter().map(|one| format!("{} {}...", one.name, words(&one.ty)));
    format!("{name}({}) {}", fixed.chain(rest).collect::<Vec<_>>().join(", "), words(&signature.returns))
}

fn argument(text: &mut String, parameter: &Parameter, flag: &str) {
    let kind = title(&words(&parameter.ty));
    let _ = writeln!(text, "1. `{}` ({kind}{flag}) {}", parameter.name, parameter.description);
}

fn fields(text: &mut String, fields: &[Field]) {
    for field in fields {
        let _ = writeln!(text, "- `{}` ({}) {}", field.name, title(&words(&field.ty)), field.description);
    }
}

/// A type as tfplugindocs writes it in a signature.
fn words(ty: &Type) -> String {
    match ty {
        Type::String => "string".to_owned(),
        Type::Number => "number".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::List(element) => format!("list of {}", words(element)),
        Type::Set(element) => format!("set of {}", words(element)),
        Type::Map(element) => format!("map of {}", words(element)),
        Type::Object(_) => "object".to_owned(),
        Type::Tuple(_) => "tuple".to_owned(),
        Type::Dynamic => "dynamic".to_owned(),
    }
}

/// The same, as it stands beside a name: every word but `of` with a capital.
fn title(words: &str) -> String {
    let capital = |word: &str| match word {
        "of" => word.to_owned(),
        "bool" => "Boolean".to_owned(),
        _ => word[..1].to_uppercase() + &word[1..],
    };
    words.split(' ').map(capital).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_the_registry_shows() {
        let schemas = terraform_provider_c8::server().schemas();
        let page = render("quorum_after_loss", &schemas.functions["quorum_after_loss"], "output \"x\" {}\n");
        for part in [
            "# function: quorum_after_loss\n",
            "quorum_after_loss(cluster_size number, partition_count number, replication_factor number, lost_brokers number...) object\n",
            "1. `cluster_size` (Number) ",
            "1. `replication_factor` (Number, Nullable) ",
            "1. `lost_brokers` (Number, Variadic) ",
            "- `stopped_partitions` (List of Number) ",
        ] {
            assert!(page.contains(part), "{part} is missing in\n{page}");
        }
    }
}
