//! What both codecs share: limits and the error.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::{NumberError, Path};

/// How deep a value may be nested. Terraform's own schemas stay below 10.
pub const MAX_DEPTH: usize = 64;

/// How long an encoded value may be, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// How many values may be in one value, so that few bytes can't claim much memory.
pub const MAX_VALUES: usize = 4 << 20;

/// Bytes that are no value of the type, or a value that is not of the type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", at(.path))]
pub struct CodecError {
    /// Where in the value.
    pub path: Path,
    /// What is wrong there.
    pub problem: Problem,
}

/// What a codec found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    Mismatch {
        /// What the type asks for.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// An object lacks an attribute.
    #[error("the attribute `{0}` is missing")]
    Missing(String),
    /// An object has an attribute that its type does not have.
    #[error("there is no attribute `{0}` here")]
    Unexpected(String),
    /// A tuple or pair of another length.
    #[error("expected {expected} elements, found {found}")]
    Length {
        /// What the type asks for.
        expected: usize,
        /// What is there.
        found: usize,
    },
    /// Text or a float that is no number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// The bytes end within the value.
    #[error("the value is cut short")]
    Truncated,
    /// Bytes are left after the value.
    #[error("{0} bytes after the end of the value")]
    Trailing(usize),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Longer than [`MAX_BYTES`], or more than [`MAX_VALUES`] values.
    #[error("too large: at most {MAX_BYTES} bytes and {MAX_VALUES} values")]
    TooLarge,
    /// A type in no form that Terraform knows.
    #[error("not a type: {0}")]
    Type(String),
    /// Text that is not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// State is wholly known, and JSON has no form for unknown.
    #[error("an unknown value can't be written as JSON")]
    Unknown,
}

impl CodecError {
    pub(super) fn new(path: Path, problem: impl Into<Problem>) -> Self {
        Self { path, problem: problem.into() }
    }
}

fn at(path: &Path) -> String {
    if path.is_root() { String::new() } else { format!("{path}: ") }
}

/// Where a codec is in a value. Only if something is wrong there, it is written out as a [`Path`]: values are many, errors few.
#[derive(Clone, Copy)]
pub(super) enum Trail<'a> {
    Root,
    Attribute(&'a Trail<'a>, &'a str),
    Key(&'a Trail<'a>, &'a str),
    Index(&'a Trail<'a>, usize),
}

impl<'a> Trail<'a> {
    pub(super) fn attr(&'a self, name: &'a str) -> Self {
        Self::Attribute(self, name)
    }

    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }

    pub(super) fn path(&self) -> Path {
        match *self {
            Self::Root => Path::root(),
            Self::Attribute(before, name) => before.path().attr(name),
            Self::Key(before, key) => before.path().key(key),
            Self::Index(before, index) => before.path().index(index),
        }
    }
}

/// Text as Terraform compares it: in normal form C.
pub(super) fn nfc(text: &str) -> Cow<'_, str> {
    match text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        true => text.into(),
        false => text.nfc().collect(),
    }
}

/// Counts values, to stop at [`MAX_VALUES`].
#[derive(Default)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn spend(&mut self, path: &Trail<'_>, depth: usize) -> Result<(), CodecError> {
        self.0 += 1;
        if self.0 > MAX_VALUES {
            return Err(CodecError::new(path.path(), Problem::TooLarge));
        }
        if depth > MAX_DEPTH {
            return Err(CodecError::new(path.path(), Problem::TooDeep));
        }
        Ok(())
    }
}
