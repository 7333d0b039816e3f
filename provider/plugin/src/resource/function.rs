use std::fmt;

use crate::{Path, Type, Typed, ValueError, schema::Field, value::Step};

/// A pure function that configurations call: `provider::things::greet("world")`.
///
/// The parameters are the fields of a struct, in order; their doc comments are their documentation.
///
/// ```
/// use terraform_plugin::{Attr, Function, FunctionFault, Object};
///
/// #[derive(Clone, Debug, PartialEq, Object)]
/// struct Greeting {
///     /// Who greets.
///     from: Attr<String>,
///     /// Who is greeted.
///     to: Attr<Vec<String>>,
/// }
///
/// struct Greet;
///
/// impl Function for Greet {
///     type Arguments = Greeting;
///     type Output = String;
///
///     const NAME: &'static str = "greet";
///     const SUMMARY: &'static str = "Greets somebody.";
///     const VARIADIC: bool = true;
///
///     fn call(&self, arguments: Greeting) -> Result<String, FunctionFault> {
///         let to = arguments.to.into_known().unwrap_or_default();
///         if to.is_empty() {
///             return Err(FunctionFault::new("nobody is greeted"));
///         }
///         Ok(format!("{} greets {}", arguments.from.into_known().unwrap_or_default(), to.join(", ")))
///     }
/// }
///
/// let signature = terraform_plugin::Signature::of::<Greet>();
/// assert_eq!(signature.parameters[0].name, "from");
/// assert_eq!(signature.variadic.map(|rest| rest.ty), Some(terraform_plugin::Type::String));
/// ```
///
/// A function gets no client: Terraform calls it in processes that were never configured, also while it validates. The same
/// arguments must always give the same result.
pub trait Function: Send + Sync + 'static {
    /// The parameters: a struct that derives [`Object`](macro@crate::Object). A field marked `#[tf(optional)]` takes null.
    type Arguments: Typed;

    /// What the function returns. An [`Attr`](crate::Attr) may be null, and unknown if an argument is.
    type Output: Typed;

    /// The function's name: lower case letters, digits and underscores.
    const NAME: &'static str;

    /// What it does, in one sentence.
    const SUMMARY: &'static str;

    /// What it does, as Markdown; the summary if it is empty.
    const DESCRIPTION: &'static str = "";

    /// Whether the last field, a list, takes all arguments from its place on (none, one or many).
    const VARIADIC: bool = false;

    /// The parameters that take unknown values. If the argument of any other isn't wholly known, the result is unknown and
    /// the function isn't called.
    const UNKNOWN: &'static [&'static str] = &[];

    /// Computes the result.
    ///
    /// # Errors
    /// If the arguments don't fit.
    fn call(&self, arguments: Self::Arguments) -> Result<Self::Output, FunctionFault>;
}

/// Why a function has no result. Terraform prints the text at the call, or at the argument it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionFault {
    /// What is wrong: an incomplete sentence in lower case, as Terraform's own functions have it.
    pub text: String,
    /// The argument it is about, beginning with its name: `Path::from("to").index(2)`. Root: none in particular.
    pub path: Path,
}

impl FunctionFault {
    /// A fault that is about no argument in particular.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), path: Path::root() }
    }

    /// A fault of an argument, or of a part of it.
    pub fn at(path: Path, text: impl Into<String>) -> Self {
        Self { text: text.into(), path }
    }
}

impl From<ValueError> for FunctionFault {
    fn from(error: ValueError) -> Self {
        Self::at(error.path, error.message)
    }
}

impl fmt::Display for FunctionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

impl std::error::Error for FunctionFault {}

/// A function as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// What it does, in one sentence.
    pub summary: String,
    /// What it does, as Markdown.
    pub description: String,
    /// In order.
    pub parameters: Vec<Parameter>,
    /// Takes all further arguments; its type is that of one of them.
    pub variadic: Option<Parameter>,
    /// The type of the result.
    pub returns: Type,
    /// What the fields of its objects mean.
    pub fields: Vec<Field>,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its name; arguments are given by position.
    pub name: String,
    /// The type of the argument.
    pub ty: Type,
    /// What it means, as Markdown; ends with a period.
    pub description: String,
    /// Whether null is allowed.
    pub nullable: bool,
    /// Whether the function is called when the argument isn't wholly known.
    pub unknown: bool,
    /// What the fields of its objects mean.
    pub fields: Vec<Field>,
}

impl Signature {
    /// The signature of a function.
    #[must_use]
    pub fn of<F: Function>() -> Self {
        let mut parameters: Vec<_> = F::Arguments::fields()
            .into_iter()
            .map(|field| Parameter {
                nullable: field.optional,
                unknown: F::UNKNOWN.contains(&field.name.as_str()),
                name: field.name,
                ty: field.ty,
                description: field.description,
                fields: field.fields,
            })
            .collect();
        let variadic = if F::VARIADIC { parameters.pop() } else { None };
        let variadic = variadic.map(|rest| match rest.ty {
            Type::List(element) => Parameter { ty: *element, ..rest },
            ty => Parameter { ty, ..rest },
        });
        let description = if F::DESCRIPTION.is_empty() { F::SUMMARY } else { F::DESCRIPTION };
        Self {
            summary: F::SUMMARY.to_owned(),
            description: description.to_owned(),
            parameters,
            variadic,
            returns: F::Output::ty(),
            fields: F::Output::fields(),
        }
    }

    /// The parameter of the argument at a position.
    pub(crate) fn parameter(&self, position: usize) -> Option<&Parameter> {
        self.parameters.get(position).or(self.variadic.as_ref())
    }

    /// Where the argument is that `path` leads into, and the path within it.
    pub(crate) fn position(&self, path: &Path) -> (Option<usize>, Path) {
        let (name, rest) = match path.steps() {
            [Step::Attribute(name), rest @ ..] => (name, rest),
            _ => return (None, path.clone()),
        };
        let within = |steps: &[Step]| {
            steps.iter().fold(Path::root(), |path, step| match step {
                Step::Attribute(name) => path.attr(name.clone()),
                Step::Key(key) => path.key(key.clone()),
                Step::Index(index) => path.index(*index),
            })
        };
        if let Some(position) = self.parameters.iter().position(|one| one.name == *name) {
            return (Some(position), within(rest));
        }
        match (&self.variadic, rest) {
            (Some(variadic), [Step::Index(index), rest @ ..]) if variadic.name == *name => {
                (Some(self.parameters.len() + index), within(rest))
            }
            _ => (None, path.clone()),
        }
    }

    /// What is wrong with it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut sentence = |what: &str, text: &str| {
            if !text.trim_end().ends_with('.') {
                problems.push(format!("{what} lacks words that end with a period"));
            }
        };
        sentence("the summary", &self.summary);
        sentence("the description", &self.description);
        for one in self.parameters.iter().chain(&self.variadic) {
            sentence(&format!("the parameter `{}`", one.name), &one.description);
        }
        problems
    }
}
