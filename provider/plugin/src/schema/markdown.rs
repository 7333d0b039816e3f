//! A schema as the Terraform Registry shows it: the headings, lists and anchors of tfplugindocs, so that links from
//! elsewhere fit.

use std::fmt::Write;

use super::validator::plain;
use super::{Attribute, Block, Field, NestedBlock, Nesting, Recomputed};

/// The section `## Schema` of a page: what is required, optional and read-only, then each nested block and each
/// object. Ends with a newline.
pub fn markdown(block: &Block) -> String {
    let mut page = Page { text: "## Schema\n".to_owned(), pending: Vec::new() };
    page.block(block, "", |title| format!("\n### {title}\n\n"));
    page.sections();
    page.text
}

/// As tfplugindocs marks it, with the page that explains it.
const WRITE_ONLY: &str =
    ", [Write-only](https://developer.hashicorp.com/terraform/language/resources/ephemeral#write-only-arguments)";

struct Page<'a> {
    text: String,
    pending: Vec<Section<'a>>,
}

/// A nested block or an object that gets its own list further down.
struct Section<'a> {
    path: String,
    anchor: String,
    content: Content<'a>,
}

enum Content<'a> {
    Block(&'a Block),
    Fields(&'a [Field], Access),
}

/// What stands in one list, by name.
enum Child<'a> {
    Attribute(&'a Attribute),
    Block(&'a NestedBlock),
}

impl<'a> Child<'a> {
    fn name(&self) -> &'a str {
        match self {
            Self::Attribute(attribute) => &attribute.name,
            Self::Block(nested) => &nested.name,
        }
    }
}

/// What an object may be used for decides under which heading its fields stand.
#[derive(Clone, Copy, PartialEq)]
enum Access {
    Input,
    ReadOnly,
}

#[derive(Clone, Copy, PartialEq)]
enum Group {
    Required,
    Optional,
    ReadOnly,
}

const GROUPS: [(Group, &str); 3] =
    [(Group::Required, "Required"), (Group::Optional, "Optional"), (Group::ReadOnly, "Read-Only")];

impl<'a> Page<'a> {
    fn block(&mut self, block: &'a Block, prefix: &str, heading: impl Fn(&str) -> String) {
        for (group, title) in GROUPS {
            let attributes = block.attributes.iter().filter(|attribute| group_of(attribute) == group);
            let blocks = block.blocks.iter().filter(|nested| group_of_block(nested) == group);
            let mut children: Vec<_> = attributes.map(Child::Attribute).chain(blocks.map(Child::Block)).collect();
            if children.is_empty() {
                continue;
            }
            children.sort_by_key(Child::name);
            self.text.push_str(&heading(title));
            for child in children {
                match child {
                    Child::Attribute(attribute) => self.attribute(attribute, &related(block, child.name()), prefix),
                    Child::Block(nested) => self.nested(nested, &related(block, child.name()), prefix),
                }
            }
        }
    }

    /// The sections that were referred to, each followed by those to which it refers itself.
    fn sections(&mut self) {
        for section in std::mem::take(&mut self.pending) {
            self.section(&section);
            self.sections();
        }
    }

    fn attribute(&mut self, attribute: &'a Attribute, related: &str, prefix: &str) {
        let Attribute { name, ty, .. } = attribute;
        let _ = write!(self.text, "- `{name}` ({ty}{}) {}", marks(attribute), one_line(&attribute.description));
        for validator in &attribute.validators {
            let _ = write!(self.text, " Allowed: {validator}.");
        }
        if let Some(default) = &attribute.default {
            let _ = write!(self.text, " Default: `{}`.", plain(default));
        }
        self.text.push_str(related);
        planning(attribute, &mut self.text);
        let access = if group_of(attribute) == Group::ReadOnly { Access::ReadOnly } else { Access::Input };
        self.fields_below(&attribute.fields, access, prefix, name);
    }

    fn fields_below(&mut self, fields: &'a [Field], access: Access, prefix: &str, name: &str) {
        if !fields.is_empty() {
            let path = format!("{prefix}{name}");
            let anchor = format!("nestedatt--{}", path.replace('.', "--"));
            let _ = write!(self.text, " (see [below for nested schema](#{anchor}))");
            self.pending.push(Section { path, anchor, content: Content::Fields(fields, access) });
        }
        self.text.push('\n');
    }

    fn nested(&mut self, nested: &'a NestedBlock, related: &str, prefix: &str) {
        let path = format!("{prefix}{}", nested.name);
        let anchor = format!("nestedblock--{}", path.replace('.', "--"));
        let mut kind = match nested.nesting {
            Nesting::Single if nested.min == 0 => "Block, Optional".to_owned(),
            Nesting::Single => "Block, Required".to_owned(),
            Nesting::List => "Block List".to_owned(),
            Nesting::Set => "Block Set".to_owned(),
            Nesting::Map => "Block Map".to_owned(),
            Nesting::Group => "Block, Optional".to_owned(),
        };
        if nested.nesting != Nesting::Single {
            if nested.min > 0 {
                let _ = write!(kind, ", Min: {}", nested.min);
            }
            if nested.max > 0 {
                let _ = write!(kind, ", Max: {}", nested.max);
            }
        }
        let replace = if nested.replace { " A change replaces the resource." } else { "" };
        let description = one_line(&nested.description);
        let deprecated =
            nested.block.deprecated.as_ref().map(|message| format!(" **Deprecated**: {}", one_line(message)));
        let deprecated = deprecated.unwrap_or_default();
        let _ = writeln!(
            self.text,
            "- `{}` ({kind}) {description}{related}{replace}{deprecated} (see [below for nested schema](#{anchor}))",
            nested.name
        );
        self.pending.push(Section { path, anchor, content: Content::Block(&nested.block) });
    }

    fn section(&mut self, section: &Section<'a>) {
        let Section { path, anchor, content } = section;
        let _ = write!(self.text, "\n<a id=\"{anchor}\"></a>\n### Nested Schema for `{path}`\n");
        let prefix = format!("{path}.");
        match content {
            Content::Block(block) => self.block(block, &prefix, |title| format!("\n{title}:\n\n")),
            Content::Fields(fields, access) => self.fields(fields, *access, &prefix),
        }
    }

    fn fields(&mut self, fields: &'a [Field], access: Access, prefix: &str) {
        for (group, title) in GROUPS {
            let of = |field: &Field| match access {
                Access::ReadOnly => Group::ReadOnly,
                Access::Input if field.optional => Group::Optional,
                Access::Input => Group::Required,
            };
            let mut fields: Vec<_> = fields.iter().filter(|field| of(field) == group).collect();
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            if fields.is_empty() {
                continue;
            }
            let _ = write!(self.text, "\n{title}:\n\n");
            for field in fields {
                let _ = write!(self.text, "- `{}` ({}) {}", field.name, field.ty, one_line(&field.description));
                self.fields_below(&field.fields, access, prefix, &field.name);
            }
        }
    }
}

/// What stands beside the type.
fn marks(attribute: &Attribute) -> String {
    let marks = [
        (attribute.sensitive, ", Sensitive"),
        (attribute.write_only, WRITE_ONLY),
        (attribute.deprecated.is_some(), ", Deprecated"),
    ];
    marks.into_iter().filter(|(set, _)| *set).map(|(_, mark)| mark).collect()
}

/// What the plan makes of the attribute, as sentences.
fn planning(attribute: &Attribute, text: &mut String) {
    if let Some(prefix) = &attribute.promise.prefix {
        let _ = write!(text, " Begins with `{prefix}`.");
    }
    if let Some(sameness) = &attribute.same_if {
        let _ = write!(text, " Two values are the same if {}.", sameness.words);
    }
    match &attribute.recomputed {
        Recomputed::Never => {}
        Recomputed::With(names) => {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let _ = write!(text, " Changes with {}.", names.join(", "));
        }
        Recomputed::Always => text.push_str(" Changes with every update."),
    }
    if let Some(modifier) = &attribute.modifier {
        let _ = write!(text, " {}.", modifier.words);
    }
    if let Some(condition) = &attribute.replace_if {
        let _ = write!(text, " A change replaces the resource if {}.", condition.words);
    }
    if attribute.replace {
        text.push_str(" A change replaces the resource.");
    }
    if let Some(message) = &attribute.deprecated {
        let _ = write!(text, " **Deprecated**: {}", one_line(message));
    }
}

/// The relations of one child, as sentences.
fn related(block: &Block, name: &str) -> String {
    let relations = block.relations.iter().filter(|relation| relation.names().contains(&name));
    relations.fold(String::new(), |text, relation| format!("{text} {relation}"))
}

fn group_of(attribute: &Attribute) -> Group {
    match (attribute.required, attribute.optional) {
        (true, _) => Group::Required,
        (false, true) => Group::Optional,
        (false, false) => Group::ReadOnly,
    }
}

fn group_of_block(nested: &NestedBlock) -> Group {
    if nested.min > 0 {
        return Group::Required;
    }
    // as tfplugindocs: a block in which nothing can be written is read-only
    let writable = nested.block.attributes.iter().any(|attribute| group_of(attribute) != Group::ReadOnly)
        || nested.block.blocks.iter().any(|nested| group_of_block(nested) != Group::ReadOnly);
    if writable { Group::Optional } else { Group::ReadOnly }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
