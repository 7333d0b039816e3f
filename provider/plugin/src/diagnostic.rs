//! What the user is told: errors and warnings with the place in the configuration.
//!
//! Terraform folds warnings with the same summary into one: keep the summary constant, put what is particular
//! into the detail. The detail says what was found, and what to do next.

use std::fmt;

use crate::value::{CodecError, Path, ValueError};

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Stops the operation.
    Error,
    /// Is shown, and the operation goes on.
    Warning,
}

/// One message to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// One line, without a period.
    pub summary: String,
    /// The rest, as prose.
    pub detail: String,
    /// The attribute that it is about.
    pub path: Option<Path>,
}

impl Diagnostic {
    /// An error about no attribute in particular.
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Error, summary: summary.into(), detail: detail.into(), path: None }
    }

    /// A warning about no attribute in particular.
    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(summary, detail) }
    }

    /// The same about an attribute.
    #[must_use]
    pub fn at(mut self, path: impl Into<Option<Path>>) -> Self {
        self.path = path.into().filter(|path| !path.is_root());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Error => "Error: ",
            Severity::Warning => "Warning: ",
        })?;
        f.write_str(&self.summary)?;
        if let Some(path) = &self.path {
            write!(f, " (at {path})")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// Messages in the order in which they were found.
///
/// ```
/// use terraform_plugin::{Diagnostics, Path};
/// let mut diags = Diagnostics::default();
/// diags.warning(Path::root(), "Region 1 is unreachable", "No answer within 10 s.");
/// assert!(!diags.has_errors());
/// diags.error(Path::from("region_id"), "Invalid region number", "2 is neither 0 nor 1.");
/// assert!(diags.has_errors());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No messages.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an error. [`Path::root`] is no attribute in particular.
    pub fn error(&mut self, path: impl Into<Option<Path>>, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Diagnostic::error(summary, detail).at(path));
    }

    /// Adds a warning. [`Path::root`] is no attribute in particular.
    pub fn warning(&mut self, path: impl Into<Option<Path>>, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Diagnostic::warning(summary, detail).at(path));
    }

    /// Adds a message.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The messages.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        self.0.extend(diagnostics);
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        Self(diagnostics.into_iter().collect())
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

/// Why an operation failed, as the user is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// At least one error, and what else there is to say.
    pub diagnostics: Diagnostics,
}

impl Fault {
    /// A failure that is about no attribute in particular.
    pub fn new(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Diagnostic::error(summary, detail).into()
    }

    /// A failure that is about an attribute.
    pub fn at(path: Path, summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Diagnostic::error(summary, detail).at(path).into()
    }
}

impl From<Diagnostic> for Fault {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: diagnostic.into() }
    }
}

impl From<Diagnostics> for Fault {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics }
    }
}

/// The schema lets in what the struct can't hold, which is a bug of the provider unless a number is too large.
impl From<ValueError> for Fault {
    fn from(error: ValueError) -> Self {
        Self::at(error.path, "Unsuitable value", sentence(&error.message))
    }
}

/// Terraform and the provider disagree about the schema.
impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        let detail = format!(
            "{} This is a disagreement of Terraform and the provider about the schema: please report it.",
            sentence(&error.problem.to_string())
        );
        Self::at(error.path, "Unreadable value", detail)
    }
}

fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, diagnostic) in self.diagnostics.iter().enumerate() {
            write!(f, "{}{diagnostic}", if position == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
