//! What stands in `#[tf(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, ExprLit, ExprPath, ExprUnary, Field, Lit, LitInt, LitStr, Result, Token, UnOp};

/// The words that a field says, each at most once.
#[derive(Default)]
pub(crate) struct Words {
    pub(crate) required: Option<Span>,
    pub(crate) optional: Option<Span>,
    pub(crate) computed: Option<Span>,
    pub(crate) sensitive: Option<Span>,
    pub(crate) replace: Option<Span>,
    pub(crate) block: Option<Span>,
    pub(crate) name: Option<LitStr>,
    pub(crate) write_only: Option<Span>,
    pub(crate) deprecated: Option<LitStr>,
    pub(crate) same_if: Option<Function>,
    pub(crate) replace_if: Option<Function>,
    pub(crate) modify: Option<Function>,
    pub(crate) changes_with: Option<(Span, Vec<LitStr>)>,
    pub(crate) volatile: Option<Span>,
    pub(crate) never_null: Option<Span>,
    pub(crate) begins_with: Option<(Span, LitStr)>,
    pub(crate) default: Option<(Span, TokenStream)>,
    pub(crate) one_of: Option<(Span, Vec<TokenStream>)>,
    pub(crate) range: Option<(Span, i64, i64)>,
    pub(crate) length: Option<(Span, usize, usize)>,
    pub(crate) regex: Option<(Span, LitStr)>,
    pub(crate) conflicts_with: Option<Vec<LitStr>>,
    pub(crate) exactly_one_of: Option<Vec<LitStr>>,
    pub(crate) at_least_one_of: Option<Vec<LitStr>>,
    pub(crate) min: Option<(Span, u64)>,
    pub(crate) max: Option<(Span, u64)>,
}

/// A function, and what the documentation says of it.
pub(crate) struct Function {
    pub(crate) span: Span,
    pub(crate) words: LitStr,
    pub(crate) path: ExprPath,
}

impl Words {
    pub(crate) fn of(field: &Field) -> Result<Self> {
        Self::among(&field.attrs)
    }

    pub(crate) fn among(attributes: &[Attribute]) -> Result<Self> {
        let mut words = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("tf")) {
            attribute.parse_nested_meta(|meta| words.take(&meta))?;
        }
        Ok(words)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let Some(word) = meta.path.get_ident() else { return Err(meta.error("expected a single word")) };
        let span = word.span();
        match word.to_string().as_str() {
            "required" => once(&mut self.required, span, span),
            "optional" => once(&mut self.optional, span, span),
            "computed" => once(&mut self.computed, span, span),
            "sensitive" => once(&mut self.sensitive, span, span),
            "replace" => once(&mut self.replace, span, span),
            "block" => once(&mut self.block, span, span),
            "write_only" => once(&mut self.write_only, span, span),
            "deprecated" => once(&mut self.deprecated, meta.value()?.parse()?, span),
            "same_if" => once(&mut self.same_if, function(meta, span)?, span),
            "replace_if" => once(&mut self.replace_if, function(meta, span)?, span),
            "modify" => once(&mut self.modify, function(meta, span)?, span),
            "changes_with" => once(&mut self.changes_with, (span, names(meta, span)?), span),
            "volatile" => once(&mut self.volatile, span, span),
            "never_null" => once(&mut self.never_null, span, span),
            "begins_with" => once(&mut self.begins_with, (span, meta.value()?.parse()?), span),
            "name" => once(&mut self.name, meta.value()?.parse()?, span),
            "default" => once(&mut self.default, (span, literal(&meta.value()?.parse()?)?), span),
            "min" => once(&mut self.min, (span, meta.value()?.parse::<LitInt>()?.base10_parse()?), span),
            "max" => once(&mut self.max, (span, meta.value()?.parse::<LitInt>()?.base10_parse()?), span),
            "one_of" => {
                let values = list(meta)?.iter().map(literal).collect::<Result<Vec<_>>>()?;
                if values.is_empty() {
                    return Err(Error::new(span, "`one_of` of nothing allows nothing"));
                }
                once(&mut self.one_of, (span, values), span)
            }
            "range" => match list(meta)?.as_slice() {
                [first, last] => {
                    let (first, last) = (whole(first)?, whole(last)?);
                    if first > last {
                        return Err(Error::new(span, "this range is empty: write the least number first"));
                    }
                    once(&mut self.range, (span, first, last), span)
                }
                _ => Err(Error::new(span, "a range has two ends, both included: `range(0, 1)`")),
            },
            "length" => {
                let ends = list(meta)?.iter().map(whole).collect::<Result<Vec<_>>>()?;
                let ends: Vec<_> = ends.into_iter().filter_map(|end| usize::try_from(end).ok()).collect();
                match ends[..] {
                    [least, most] if least <= most => once(&mut self.length, (span, least, most), span),
                    _ => Err(Error::new(span, "a length has two ends, both included: `length(1, 63)`")),
                }
            }
            "regex" => once(&mut self.regex, (span, meta.value()?.parse()?), span),
            "conflicts_with" => once(&mut self.conflicts_with, names(meta, span)?, span),
            "exactly_one_of" => once(&mut self.exactly_one_of, names(meta, span)?, span),
            "at_least_one_of" => once(&mut self.at_least_one_of, names(meta, span)?, span),
            other => {
                let message = format!(
                    "`{other}` is unknown here; there are `required`, `optional`, `computed`, `default = …`, `replace`, \
                     `sensitive`, `write_only`, `deprecated = \"…\"`, `one_of(…)`, `range(…)`, `length(…)`, \
                     `regex = \"…\"`, `conflicts_with(…)`, `exactly_one_of(…)`, `at_least_one_of(…)`, `same_if(…)`, \
                     `replace_if(…)`, `changes_with(…)`, `volatile`, `modify(…)`, `never_null`, `begins_with = \"…\"`, \
                     `name = \"…\"`, and `block` with `min = …`, `max = …`"
                );
                Err(Error::new(span, message))
            }
        }
    }

    /// What the attribute has to do with others.
    pub(crate) fn others(&self) -> impl Iterator<Item = &LitStr> {
        [&self.conflicts_with, &self.exactly_one_of, &self.at_least_one_of].into_iter().flatten().flatten()
    }

    /// What decides how an attribute is planned.
    pub(crate) fn planning(&self) -> Option<Span> {
        let words = [
            self.write_only,
            self.same_if.as_ref().map(|word| word.span),
            self.replace_if.as_ref().map(|word| word.span),
            self.modify.as_ref().map(|word| word.span),
            self.anew(),
        ];
        words.into_iter().flatten().next()
    }

    /// What only an attribute that the provider computes can say.
    pub(crate) fn anew(&self) -> Option<Span> {
        let words = [
            self.changes_with.as_ref().map(|word| word.0),
            self.volatile,
            self.never_null,
            self.begins_with.as_ref().map(|word| word.0),
        ];
        words.into_iter().flatten().next()
    }

    /// What only an attribute that a user may set can say.
    pub(crate) fn rule(&self) -> Option<Span> {
        let rules = [
            self.one_of.as_ref().map(|word| word.0),
            self.range.map(|word| word.0),
            self.length.map(|word| word.0),
            self.regex.as_ref().map(|word| word.0),
        ];
        rules.into_iter().flatten().next()
    }
}

fn once<T>(place: &mut Option<T>, value: T, span: Span) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(span, "this is said twice")),
    }
}

fn list(meta: &ParseNestedMeta<'_>) -> Result<Vec<Expr>> {
    let content;
    syn::parenthesized!(content in meta.input);
    Ok(Punctuated::<Expr, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// Words for the documentation, and a function: `("they differ in case", same)`.
fn function(meta: &ParseNestedMeta<'_>, span: Span) -> Result<Function> {
    let content;
    syn::parenthesized!(content in meta.input);
    let wanted = "this takes words for the documentation and a function: `(\"…\", function)`";
    let words: LitStr = content.parse().map_err(|error| Error::new(error.span(), wanted))?;
    content.parse::<Token![,]>().map_err(|error| Error::new(error.span(), wanted))?;
    let path: ExprPath = content.parse().map_err(|error| Error::new(error.span(), wanted))?;
    if !content.is_empty() {
        return Err(content.error(wanted));
    }
    if words.value().trim().is_empty() || words.value().ends_with('.') {
        return Err(Error::new(words.span(), "these words end a sentence of the documentation: write no period"));
    }
    Ok(Function { span, words, path })
}

/// The names of other attributes.
fn names(meta: &ParseNestedMeta<'_>, span: Span) -> Result<Vec<LitStr>> {
    let content;
    syn::parenthesized!(content in meta.input);
    let names: Vec<_> = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?.into_iter().collect();
    if names.is_empty() {
        return Err(Error::new(span, "name the others: `conflicts_with(\"other\")`"));
    }
    Ok(names)
}

/// A literal as an expression of type `Value`.
fn literal(expr: &Expr) -> Result<TokenStream> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(quote!(::terraform_plugin::Value::from(#text))),
        Expr::Lit(ExprLit { lit: Lit::Bool(truth), .. }) => Ok(quote!(::terraform_plugin::Value::from(#truth))),
        _ => {
            let int = whole(expr).map_err(|_| {
                Error::new_spanned(expr, "expected a literal: text in quotes, a whole number, `true` or `false`")
            })?;
            Ok(quote!(::terraform_plugin::Value::from(#int)))
        }
    }
}

fn whole(expr: &Expr) -> Result<i64> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => whole(expr).map(|int| -int),
        _ => Err(Error::new_spanned(expr, "expected a whole number")),
    }
}
