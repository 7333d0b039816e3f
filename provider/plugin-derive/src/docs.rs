//! Doc comments as descriptions: the lines of a paragraph are joined, for they are only wrapped for the source.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The description in the doc comments among `attributes`; empty if there are none.
pub(crate) fn description(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text: Vec<String> = lines.flat_map(|line| line.split('\n').map(str::to_owned).collect::<Vec<_>>()).collect();
    join(text.iter().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()))
}

fn join<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut verbatim = false;
    let mut apart = true;
    for line in lines {
        let fence = line.trim_start().starts_with("```");
        if line.is_empty() && !verbatim {
            apart = true;
            if !text.is_empty() && !text.ends_with("\n\n") {
                text.push_str("\n\n");
            }
            continue;
        }
        if !apart {
            text.push(if verbatim || fence || starts_block(line) { '\n' } else { ' ' });
        }
        let wrapped = !(apart || verbatim || fence || starts_block(line));
        text.push_str(if wrapped { line.trim_start() } else { line });
        verbatim ^= fence;
        apart = false;
    }
    text.trim().to_owned()
}

/// Whether Markdown takes this line for the start of a list, a table or a heading.
fn starts_block(line: &str) -> bool {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    ["- ", "* ", "| ", "|-", "#"].iter().any(|start| line.starts_with(start))
        || digits > 0 && line[digits..].starts_with(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        join(text.lines())
    }

    #[test]
    fn paragraphs_are_joined() {
        assert_eq!(joined("One\ntwo.\n\nThree\nfour.\n"), "One two.\n\nThree four.");
        assert_eq!(joined(""), "");
    }

    #[test]
    fn lists_and_code_stay() {
        let list = "Phases:\n- `held`: waits\n  for more\n- `running`\n1. one\n\nEnd.";
        assert_eq!(joined(list), "Phases:\n- `held`: waits for more\n- `running`\n1. one\n\nEnd.");
        let code = "Such as\n```hcl\na = 1\n\n  b = 2\n```\nin all.";
        assert_eq!(joined(code), "Such as\n```hcl\na = 1\n\n  b = 2\n``` in all.");
    }
}
